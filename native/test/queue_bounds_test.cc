// Where queues begin and end: found at open, after gaps, and made durable many at once.
#include <map>
#include <mutex>
#include <random>

#include "../core/forwarding_file_system.h"
#include "../core/store.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {

namespace {

// Counts the times that files are opened.
class CountedOpens final : public ForwardingFileSystem {
 public:
  CountedOpens() : ForwardingFileSystem(PosixFileSystem()) {}
  Status Open(const std::string& path, OpenMode mode, int* fd) override {
    {
      std::lock_guard lock(mutex_);  // segments are made by other threads
      opens_[path]++;
    }
    return ForwardingFileSystem::Open(path, mode, fd);
  }
  std::map<std::string, int> opens() {
    std::lock_guard lock(mutex_);
    return opens_;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, int> opens_;
};

}  // namespace

TEST("a sync that fails while many queues are being written fails the store, like any other") {
  Scratch scratch;
  std::shared_ptr<FileSystem> faulty;
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "sync_fs:errno=5:times=1", &faulty).ok());
  StoreOptions options = TinyOptions(scratch / "store");
  options.segment_bytes = 1 << 20;  // none ends meanwhile, at which the housekeeper would sync
  auto store = OpenStore(options, nullptr, faulty.get());
  for (int queue = 0; queue < 1500; queue++) CHECK(AppendOne(*store, "many", queue, "message").ok());
  CHECK(store->FlushAll().code == Code::kSyncFailed);
  CHECK(AppendOne(*store, "many", 0, "message").code == Code::kStoreFailed);
  CHECK(!store->Close().ok());
  store = OpenStore(options);
  for (int queue = 0; queue < 1500; queue += 97) CHECK_EQ(Bodies(*store, "many", queue).size(), size_t{1});
  CHECK(store->FlushAll().ok());
}

TEST("of a store that was closed properly each queue's last file is opened once, and no other of it") {
  Scratch scratch;
  constexpr int kQueues = 700;  // more than descriptors are kept
  StoreOptions options = TinyOptions(scratch / "store");
  {
    auto store = OpenStore(options);
    for (int n = 0; n < 22; n++)  // a file has 20 units
      for (int queue = 0; queue < kQueues; queue++) CHECK(AppendOne(*store, "many", queue, std::to_string(n)).ok());
    CHECK(store->Close().ok());
  }
  CountedOpens files;
  auto store = OpenStore(options, nullptr, &files);
  CHECK_EQ(store->recovery().clean_before, true);
  int opens = 0;
  for (const auto& [path, times] : files.opens())
    if (path.find("/consumequeue/") != std::string::npos) {
      CHECK_EQ(times, 1);
      opens++;
    }
  CHECK_EQ(opens, kQueues);
  for (int queue = 0; queue < kQueues; queue += 97) {
    CHECK_EQ(store->FindQueue("many", queue)->min_offset(), int64_t{0});
    CHECK_EQ(Bodies(*store, "many", queue).size(), size_t{22});
    CHECK(AppendOne(*store, "many", queue, "one more").ok());
    CHECK_EQ(Bodies(*store, "many", queue).back(), std::string("one more"));
  }
}

TEST("the first message that the log still has is found, whatever gaps lie before and behind it") {
  std::mt19937 random(20261129);
  for (int round = 0; round < 40; round++) {
    Scratch scratch;
    auto master = OpenStore(TinyOptions(scratch / "master"));
    const int count = 1 + static_cast<int>(random() % 60);
    for (int i = 0; i < count; i++) CHECK(AppendOne(*master, "orders", 0, std::to_string(i)).ok());
    std::shared_ptr<Segment> segment;
    CHECK(master->log().Find(0, &segment).ok());
    std::string log(reinterpret_cast<const char*>(segment->base()), static_cast<size_t>(master->log().published()));
    std::vector<std::pair<int64_t, int64_t>> units;  // number and log offset
    int64_t number = 0;
    for (size_t at = 0; at < log.size();) {
      auto* const record = reinterpret_cast<uint8_t*>(log.data()) + at;
      // No more numbers are left out than records fit in front.
      if (random() % 4 == 0) number += static_cast<int64_t>(random() % (1 + at / kRecordMinBytes));
      Put64(record + 20, static_cast<uint64_t>(number));
      units.emplace_back(number++, static_cast<int64_t>(at));
      at += static_cast<size_t>(GetI32(record));
    }
    auto store = OpenStore(TinyOptions(scratch / "store"));
    CHECK(store->AppendRaw(0, reinterpret_cast<const uint8_t*>(log.data()), log.size()).ok());
    ConsumeQueue* const queue = store->FindQueue("orders", 0);
    const int64_t low = queue->min_offset(), high = queue->max_offset();
    CHECK_EQ(high, number);
    units.emplace_back(high, INT64_MAX - 1);
    int64_t before = -1;
    for (const auto& [first, log_offset] : units) {
      for (const int64_t bound : {before + 1, log_offset}) {
        int64_t found = -1;
        CHECK(queue->FirstNotBelow(bound, low, high, &found).ok());
        CHECK_EQ(found, first);
      }
      before = log_offset;
    }
  }
}

}  // namespace millrace::test
