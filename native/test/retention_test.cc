#include "../core/retention.h"

#include <sys/stat.h>

#include "../core/forwarding_file_system.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {
namespace {

constexpr int64_t kHour = 3600 * 1000;

// A disk that is used as the test says.
class Disk final : public ForwardingFileSystem {
 public:
  Disk() : ForwardingFileSystem(PosixFileSystem()) {}
  Status AskDiskUse(const std::string& path, DiskUse* use) override {
    const bool log = path.find("commitlog") != std::string::npos;
    const int64_t percent = log ? log_percent : queue_percent;
    if (percent < 0) return Status::System("statvfs", path, EIO);
    *use = {percent, 100 - percent};
    return Status::Ok();
  }
  Status Unlink(const std::string& path) override {
    if (path.find("commitlog") != std::string::npos && !path.ends_with(".birth")) log_percent -= freed;
    return ForwardingFileSystem::Unlink(path);
  }
  int64_t log_percent = 10, queue_percent = 10;
  int64_t freed = 0;  // by each segment
};

// A store of 500 messages in many segments, with a clock that the test moves.
struct Old {
  explicit Old(RetentionRules rules) {
    options = TinyOptions(scratch / "store");
    options.retention = std::move(rules);
    options.retention.interval_ms = INT32_MAX;  // the test alone
    options.retention_clock = {[this] { return now; }, [this](int64_t) { return hour; }};
    store = OpenStore(options, nullptr, &disk);
    for (int i = 0; i < 500; i++)
      CHECK(AppendOne(*store, "orders", i % 4, Body(i), nullptr, "t", "k" + std::to_string(i)).ok());
    CHECK(store->FlushAll().ok());
  }
  static std::string Body(int i) { return "message " + std::to_string(i) + std::string(200, '.'); }
  int64_t Segments() const { return static_cast<int64_t>(store->log().segments()->size()); }
  int64_t Clean(bool by_hand = false) {
    Store::Cleaned cleaned;
    CHECK(store->Clean(by_hand, &cleaned).ok());
    return cleaned.segments;
  }
  Status Append() { return AppendOne(*store, "orders", 0, "one more"); }

  Scratch scratch;
  Disk disk;
  StoreOptions options;
  int64_t now = Store::NowMs();
  int hour = 12;
  std::shared_ptr<Store> store;
};

int64_t FilesIn(const std::string& path) {
  return std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator());
}

// Queues, index and files hold what the log still has, and that as it was.
void CheckFollows(const Old& old) {
  Store& store = *old.store;
  const int64_t min = store.log().min_offset();
  CHECK_EQ(FilesIn(old.scratch / "store/commitlog"), old.Segments());
  int64_t messages = 0;
  for (int queue = 0; queue < 4; queue++) {
    const ConsumeQueue& units = *store.FindQueue("orders", queue);
    const std::vector<std::string> bodies = Bodies(store, "orders", queue);
    CHECK_EQ(static_cast<int64_t>(bodies.size()), units.max_offset() - units.min_offset());
    for (size_t n = 0; n < bodies.size(); n++)
      CHECK_EQ(bodies[n], Old::Body(static_cast<int>(units.min_offset() + static_cast<int64_t>(n)) * 4 + queue));
    CHECK_EQ(FilesIn(old.scratch / ("store/consumequeue/orders/" + std::to_string(queue))),
             (units.max_offset() - 1) / 20 - std::min(units.min_offset(), units.max_offset() - 1) / 20 + 1);
    messages += static_cast<int64_t>(bodies.size());
  }
  CHECK(messages > 0);
  CHECK(store.index().files().front()->end_log_offset() >= min);
  CHECK_EQ(FilesIn(old.scratch / "store/index"), static_cast<int64_t>(store.index().files().size()));
  for (int i = 500 - static_cast<int>(messages); i < 500; i++) {
    const auto found = Find(store.index(), "orders", "k" + std::to_string(i), 10, 0, INT64_MAX);
    CHECK_EQ(found.size(), size_t{1});
    CHECK(found[0] >= min);
  }
}

}  // namespace

TEST("the oldest segment goes by age at its hour, by the disk's use, by the log's size, or by hand") {
  RetentionRules rules;
  rules.by_age = rules.by_disk_use = true;
  const auto goes = [&](int64_t age_hours, int hour, double log, double queues, bool by_hand) {
    return OldestGoes(rules, {1000 * kHour, hour, log, queues, by_hand, 1 << 30, (1000 - age_hours) * kHour});
  };
  CHECK(!goes(71, 4, 0.1, 0.1, false));
  CHECK(goes(72, 4, 0.1, 0.1, false));
  CHECK(!goes(72, 3, 0.1, 0.1, false));
  CHECK(!goes(72, 5, 0.1, 0.1, false));
  CHECK(goes(72, 5, 0.1, 0.1, true));
  CHECK(!goes(71, 5, 0.1, 0.1, true));
  CHECK(!goes(72, 5, 0.75, 0.75, false));
  CHECK(goes(72, 5, 0.76, 0.1, false));
  CHECK(goes(72, 5, 0.1, 0.76, false));
  CHECK(!goes(71, 5, 0.85, 0.85, false));
  CHECK(goes(0, 5, 0.86, 0.1, false));
  CHECK(goes(0, 5, 0.1, 0.86, false));
  CHECK(!goes(72, 5, -1, -1, false));
  rules.may_clean_forcibly = false;
  CHECK(!goes(0, 5, 0.99, 0.99, false));
  CHECK(goes(72, 5, 0.99, 0.99, false));
  rules.hours = {0, 5, 23};
  CHECK(goes(72, 0, 0.1, 0.1, false) && goes(72, 5, 0.1, 0.1, false) && goes(72, 23, 0.1, 0.1, false));
  rules.by_age = false;
  CHECK(!goes(720, 5, 0.99, 0.99, true));
  rules.max_bytes = (1 << 30) - 1;
  CHECK(goes(0, 12, 0.1, 0.1, false));
  rules.max_bytes = 1 << 30;
  CHECK(!goes(0, 12, 0.1, 0.1, false));
  CHECK(IsDiskFull(rules, {0, 0, 0.91, 0.1}) && IsDiskFull(rules, {0, 0, 0.1, 0.91}));
  CHECK(!IsDiskFull(rules, {0, 0, 0.90, 0.90}) && !IsDiskFull(rules, {0, 0, -1, -1}));
  rules.by_disk_use = false;
  CHECK(!IsDiskFull(rules, {0, 0, 0.99, 0.99}));
}

TEST("old segments go ten at a time and never the last; queues and index follow, and a crash finds them in step") {
  RetentionRules rules;
  rules.by_age = true;
  Old old(rules);
  const int64_t all = old.Segments();
  CHECK(all > 5);
  CHECK_EQ(old.Clean(true), int64_t{0});
  old.now += 73 * kHour;
  CHECK_EQ(old.Clean(), int64_t{0});
  old.hour = 4;
  CHECK_EQ(old.Clean(), std::min<int64_t>(10, all - 1));
  CheckFollows(old);
  while (old.Clean() > 0) CheckFollows(old);
  CHECK_EQ(old.Segments(), int64_t{1});
  for (const bool closed : {false, true}) {
    if (closed) CHECK(old.store->Close().ok());
    old.store.reset();
    old.store = OpenStore(old.options, nullptr, &old.disk);
    CHECK(old.store != nullptr);
    CHECK(old.store->recovery().rebuilt_queues.empty());
    CHECK_EQ(old.store->recovery().index_entries, int64_t{0});
    CheckFollows(old);
  }
}

TEST("a crash between the segments and what follows them is made good by the next opening") {
  for (const char* fails : {"consumequeue/orders/2", "index/", "millrace/queues"}) {
    Old old({});
    std::shared_ptr<FileSystem> faulty;
    CHECK(old.store->Close().ok());
    const std::string plan = std::string("unlink:errno=5:path=") + fails + ";rename:errno=5:path=" + fails;
    CHECK(MakeFaultyFileSystem(PosixFileSystem(), plan, &faulty).ok());
    old.store = OpenStore(old.options, nullptr, faulty.get());
    if (!old.store) continue;
    Store::Cleaned cleaned;
    CHECK(!old.store->DeleteBelow(old.store->log().end() / 2, &cleaned).ok());
    CHECK(cleaned.segments > 1);
    old.store.reset();
    old.store = OpenStore(old.options, nullptr, &old.disk);
    CHECK(old.store != nullptr);
    CHECK(old.store->recovery().rebuilt_queues.empty());
    CHECK(old.store->DeleteBelow(old.store->log().end() / 2 + 2 * old.options.segment_bytes, &cleaned).ok());
    CheckFollows(old);
  }
}

TEST("a disk that fills gives up segments one by one, refuses what comes, and takes it again when there is room") {
  RetentionRules rules;
  rules.by_disk_use = true;
  Old old(rules);
  old.disk.log_percent = 93;
  CHECK(old.Append().ok());  // until it is looked at
  const int64_t all = old.Segments();
  old.disk.freed = 2;
  CHECK_EQ(old.Clean(), int64_t{4});  // to 85 %
  CHECK_EQ(old.Segments(), all - 4);
  CHECK(old.Append().ok());
  old.disk.log_percent = 91;
  old.disk.freed = 0;
  CHECK(old.Clean() > 0);
  const Status refused = old.Append();
  CHECK(refused.code == Code::kDiskFull);
  CHECK(refused.message().find("90 %") != std::string::npos);
  old.disk.log_percent = 90;
  CHECK(old.Append().code == Code::kDiskFull);
  (void)old.Clean();
  CHECK(old.Append().ok());
  old.disk.log_percent = -1;  // it can't be asked
  old.disk.queue_percent = 10;
  CHECK_EQ(old.Clean(), int64_t{0});
  CHECK(old.Append().ok());
}

TEST("a log keeps its size, and by hand goes what lies whole below an offset") {
  RetentionRules rules;
  rules.max_bytes = 5 * 16384;
  Old old(rules);
  CHECK(old.Segments() > 6);
  while (old.Clean() > 0) continue;
  CHECK_EQ(old.Segments(), int64_t{5});
  CheckFollows(old);
  Store::Cleaned cleaned;
  const int64_t min = old.store->log().min_offset();
  CHECK(old.store->DeleteBelow(min + 16383, &cleaned).ok());
  CHECK_EQ(cleaned.segments, int64_t{0});
  CHECK(old.store->DeleteBelow(min + 16384, &cleaned).ok());
  CHECK_EQ(cleaned.segments, int64_t{1});
  CHECK(old.store->DeleteBelow(INT64_MAX, &cleaned).ok());
  CHECK_EQ(cleaned.segments, int64_t{4});
  CHECK_EQ(old.Segments(), int64_t{1});
  CheckFollows(old);
}

TEST(
    "a reader that holds the oldest segment postpones its deletion, for two minutes; what it has seen it can read on") {
  Old old({});
  const auto segments = old.store->log().segments();
  const std::shared_ptr<Segment> oldest = segments->front();
  Store::Cleaned cleaned;
  oldest->Hold();
  CHECK(old.store->DeleteBelow(INT64_MAX, &cleaned).ok());
  old.now += 119999;
  CHECK(old.store->DeleteBelow(INT64_MAX, &cleaned).ok());
  CHECK_EQ(cleaned.segments, int64_t{0});
  old.now += 1;
  CHECK(old.store->DeleteBelow(16384, &cleaned).ok());
  CHECK_EQ(cleaned.segments, int64_t{1});
  oldest->Release();
  CHECK(CheckRecord(oldest->base(), oldest->bytes(), 0, true).found == Found::kRecord);
  (*segments)[1]->Hold();
  CHECK(old.store->DeleteBelow(INT64_MAX, &cleaned).ok());
  CHECK_EQ(cleaned.segments, int64_t{1});
  (*segments)[1]->Release();
  CHECK(old.store->DeleteBelow(INT64_MAX, &cleaned).ok());
  CHECK_EQ(old.Segments(), int64_t{1});
}

}  // namespace millrace::test
