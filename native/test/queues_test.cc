#include <cstring>
#include <random>

#include "../core/store.h"
#include "../core/unit_windows.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {

namespace {

// A store whose log another takes in.
std::shared_ptr<Store> ThreeMessages(const std::string& root) {
  auto store = OpenStore(TinyOptions(root));
  for (int i = 0; i < 3; i++) CHECK(AppendOne(*store, "orders", 0, "message " + std::to_string(i)).ok());
  return store;
}

}  // namespace

TEST("thousands of queues written in turn keep few descriptors, sync as one, and come back") {
  Scratch scratch;
  constexpr int kQueues = 1500;
  const auto descriptors = [] {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) count++;
    return count;
  };
  const size_t before = descriptors();
  for (int round = 0; round < 2; round++) {
    auto store = OpenStore(TinyOptions(scratch / "store"));
    for (int n = 0; n < 3; n++)
      for (int queue = 0; queue < kQueues; queue++) CHECK(AppendOne(*store, "many", queue, std::to_string(queue)).ok());
    CHECK(store->FlushAll().ok());
    CHECK(descriptors() < before + 700);
    for (int queue = 0; queue < kQueues; queue += 97)
      CHECK_EQ(Bodies(*store, "many", queue).size(), static_cast<size_t>(3 * (round + 1)));
    if (round == 0) CHECK(store->Close().ok());
  }
  auto store = OpenStore(TinyOptions(scratch / "store"));
  for (int queue = 0; queue < kQueues; queue++) CHECK_EQ(store->FindQueue("many", queue)->max_offset(), int64_t{6});
}

TEST("a queue that begins behind a file's start is filled up with Java's pre-blank units") {
  Scratch scratch;
  auto master = OpenStore(TinyOptions(scratch / "master"));
  for (int i = 0; i < 700; i++) CHECK(AppendOne(*master, "orders", 0, "message " + std::to_string(i)).ok());
  const int64_t from = master->log().segments()->at(2)->from(), end = master->log().published();
  auto replica = OpenStore(TinyOptions(scratch / "replica"));
  for (int64_t at = from; at < end;) {
    std::shared_ptr<Segment> segment;
    CHECK(master->log().Find(at, &segment).ok());
    const int64_t length = std::min(segment->end() - at, end - at);
    CHECK(replica->AppendRaw(at, segment->base() + (at - segment->from()), static_cast<size_t>(length)).ok());
    at += length;
  }
  ConsumeQueue* queue = replica->FindQueue("orders", 0);
  CHECK(queue->min_offset() > 0);
  CHECK_EQ(queue->max_offset(), int64_t{700});
  const int64_t min = queue->min_offset();
  CHECK(replica->Close().ok());
  replica = OpenStore(TinyOptions(scratch / "replica"));
  CHECK_EQ(replica->FindQueue("orders", 0)->min_offset(), min);
  CHECK_EQ(static_cast<int64_t>(Bodies(*replica, "orders", 0).size()), 700 - min);
}

TEST("a batch that reaches over two ends of queue files has blocks for all its units before the log takes it") {
  Scratch scratch;
  std::shared_ptr<FileSystem> faulty;
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "reserve:errno=28:path=queue-orders-0-2:times=1", &faulty).ok());
  const StoreOptions options = TinyOptions(scratch / "store");
  auto store = OpenStore(options, nullptr, faulty.get());
  CHECK(AppendOne(*store, "orders", 0, "message 0").ok());
  const int64_t end = store->log().published();

  constexpr size_t kBatch = 50;  // a file has 20 units
  const Host host = LocalHost();
  std::vector<MessageFields> messages(kBatch);
  ConsumeQueue* queue = nullptr;
  CHECK(store->Queue("orders", 0, &queue).ok());
  for (MessageFields& fields : messages) {
    fields.topic = "orders";
    fields.body = "one of many";
    fields.born_host = fields.store_host = &host;
  }
  const std::vector<ConsumeQueue*> queues(kBatch, queue);
  AppendBuffer buffer;
  std::vector<AppendOutcome> outcomes(kBatch);
  AppendMode mode;
  mode.all_or_nothing = true;
  const auto append = [&] {
    return store->Append(&buffer, messages.data(), queues.data(), kBatch, mode, outcomes.data());
  };
  CHECK_EQ(append().code, Code::kDiskFull);
  CHECK_EQ(store->log().published(), end);
  CHECK_EQ(queue->max_offset(), int64_t{1});
  CHECK(append().ok());
  CHECK(AppendOne(*store, "orders", 0, "the last").ok());
  CHECK(store->Close().ok());
  store = OpenStore(options);
  CHECK(store->recovery().leftovers.empty());
  const auto bodies = Bodies(*store, "orders", 0);
  CHECK_EQ(bodies.size(), kBatch + 2);
  CHECK_EQ(bodies.back(), std::string("the last"));
}

TEST("an append whose keys fill several index files has blocks for all of them before the log takes it") {
  Scratch scratch;
  std::shared_ptr<FileSystem> faulty;
  // Two for each file: its slots, and its entries.
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "reserve:errno=28:path=/index:after=4:times=1", &faulty).ok());
  const StoreOptions options = TinyOptions(scratch / "store");
  auto store = OpenStore(options, nullptr, faulty.get());
  constexpr size_t kBatch = 50;  // an index file takes 79 keys
  const Host host = LocalHost();
  std::vector<std::string> keys;
  for (size_t i = 0; i < kBatch; i++)
    keys.push_back("a" + std::to_string(i) + " b" + std::to_string(i) + " c" + std::to_string(i) + " d");
  std::vector<MessageFields> messages(kBatch);
  ConsumeQueue* queue = nullptr;
  CHECK(store->Queue("orders", 0, &queue).ok());
  for (size_t i = 0; i < kBatch; i++) {
    messages[i].topic = "orders";
    messages[i].keys = keys[i];
    messages[i].born_host = messages[i].store_host = &host;
  }
  const std::vector<ConsumeQueue*> queues(kBatch, queue);
  AppendBuffer buffer;
  std::vector<AppendOutcome> outcomes(kBatch);
  const auto append = [&] {
    return store->Append(&buffer, messages.data(), queues.data(), kBatch, {.all_or_nothing = true}, outcomes.data());
  };
  CHECK_EQ(append().code, Code::kDiskFull);
  CHECK_EQ(store->log().published(), int64_t{0});
  CHECK(append().ok());
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < kBatch; i++)
      for (const char* letter : {"a", "b", "c"}) {
        const auto found = Find(store->index(), "orders", letter + std::to_string(i), 10, 0, INT64_MAX);
        CHECK(found == std::vector<int64_t>{outcomes[i].log_offset});
      }
    CHECK_EQ(Find(store->index(), "orders", "d", 100, 0, INT64_MAX).size(), kBatch);
    CHECK(store->Close().ok());
    store = OpenStore(options);
  }
}

TEST("nothing is appended behind half a record, and the store goes on when the rest is there") {
  Scratch scratch;
  const auto master = ThreeMessages(scratch / "master");
  const int64_t end = master->log().published();
  const uint8_t* const log = master->log().segments()->front()->base();
  const StoreOptions options = TinyOptions(scratch / "replica");
  auto replica = OpenStore(options);
  const int64_t cut = end - 20;
  CHECK(replica->AppendRaw(0, log, static_cast<size_t>(cut)).ok());
  AppendOutcome outcome;
  CHECK_EQ(AppendOne(*replica, "orders", 0, "too early", &outcome).code, Code::kAppendGap);
  CHECK_EQ(replica->log().end(), cut);
  CHECK(replica->AppendRaw(cut, log + cut, static_cast<size_t>(end - cut)).ok());
  CHECK(AppendOne(*replica, "orders", 0, "message 3", &outcome).ok());
  CHECK_EQ(outcome.queue_offset, int64_t{3});
  CHECK(replica->Close().ok());
  replica = OpenStore(options);
  CHECK_EQ(Bodies(*replica, "orders", 0).size(), size_t{4});
}

TEST("a replica whose log ends where a segment ends goes on there, and opens again") {
  Scratch scratch;
  auto master = OpenStore(TinyOptions(scratch / "master"));
  for (int i = 0; master->log().segments()->size() < 2; i++)
    CHECK(AppendOne(*master, "orders", 0, "message " + std::to_string(i)).ok());
  const std::shared_ptr<Segment> first = master->log().segments()->front();
  const int64_t count = master->FindQueue("orders", 0)->max_offset() - 1;
  for (const bool closed : {true, false}) {
    const StoreOptions options = TinyOptions(scratch / (closed ? "closed" : "open"));
    auto replica = OpenStore(options);
    CHECK(replica->AppendRaw(0, first->base(), static_cast<size_t>(first->bytes())).ok());
    CHECK_EQ(replica->log().published(), first->end());
    Status status;
    if (closed) {
      CHECK(replica->Close().ok());
      replica = OpenStore(options, &status);
      CHECK(status.ok());
      if (!replica) continue;
    }
    AppendOutcome outcome;
    CHECK(AppendOne(*replica, "orders", 0, "behind it", &outcome).ok());
    CHECK_EQ(outcome.log_offset, first->end());
    CHECK_EQ(outcome.queue_offset, count);
    CHECK(replica->Close().ok());
    replica = OpenStore(options, &status);
    CHECK(status.ok());
    if (replica) CHECK_EQ(static_cast<int64_t>(Bodies(*replica, "orders", 0).size()), count + 1);
  }
}

TEST("a message has blocks for its unit whatever enters no queue before it") {
  Scratch scratch;
  std::shared_ptr<FileSystem> faulty;
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "reserve:errno=28:path=queue-pay", &faulty).ok());
  auto store = OpenStore(TinyOptions(scratch / "store"), nullptr, faulty.get());
  const Host host = LocalHost();
  MessageFields messages[2];
  for (MessageFields& fields : messages) {
    fields.topic = "pay";
    fields.body = "x";
    fields.born_host = fields.store_host = &host;
  }
  messages[0].sys_flag = kTransactionPrepared;
  ConsumeQueue* queue = nullptr;
  CHECK(store->Queue("pay", 0, &queue).ok());
  ConsumeQueue* const queues[] = {queue, queue};
  AppendBuffer buffer;
  AppendOutcome outcomes[2];
  CHECK_EQ(store->Append(&buffer, messages, queues, 2, {.all_or_nothing = true}, outcomes).code, Code::kDiskFull);
  CHECK_EQ(store->log().published(), int64_t{0});
  CHECK(store->Append(&buffer, messages, queues, 1, {}, outcomes).ok());  // alone it needs none
}

TEST("a record's number that cannot be is reported, and fills no queue up to it") {
  Scratch scratch;
  const StoreOptions options = TinyOptions(scratch / "store");
  auto store = OpenStore(options);
  std::vector<AppendOutcome> outcomes(5);
  for (int i = 0; i < 5; i++)
    CHECK(AppendOne(*store, "orders", 0, "message " + std::to_string(i), &outcomes[static_cast<size_t>(i)]).ok());
  CHECK(store->Close().ok());
  store.reset();
  Overwrite(scratch / "store/commitlog/00000000000000000000", outcomes[3].log_offset + 20 + 2, "\x01");  // 2^40
  std::filesystem::remove_all(scratch / "store/consumequeue");
  std::filesystem::remove_all(scratch / "store/millrace");
  Status status;
  for (const bool read_only : {true, false}) {
    StoreOptions opened = options;
    opened.read_only = read_only;
    store = OpenStore(opened, &status);
    CHECK(status.ok());
    if (!store) return;
    CHECK_EQ(store->recovery().rebuilt_queues.size(), size_t{1});
    CHECK_EQ(store->FindQueue("orders", 0)->max_offset(), int64_t{5});
    CHECK_EQ(Bodies(*store, "orders", 0).size(), size_t{4});
    CHECK(store->Close().ok());
  }
}

TEST("a store whose log can't be written any more says so when it closes, and what was appended before is on disk") {
  Scratch scratch;
  std::shared_ptr<FileSystem> faulty;
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "write:errno=5:after=1:path=/commitlog/", &faulty).ok());
  StoreOptions options = TinyOptions(scratch / "store");
  options.flush.interval_ms = options.flush.thorough_interval_ms = 3600000;
  auto store = OpenStore(options, nullptr, faulty.get());
  CHECK(AppendOne(*store, "orders", 0, "stored").ok());
  CHECK(!AppendOne(*store, "orders", 0, "not stored").ok());
  CHECK(store->state() == StoreState::kFailed);
  CHECK(store->flusher().flushed() < store->log().published());
  CHECK_EQ(store->Close().code, Code::kStoreFailed);
  CHECK_EQ(store->flusher().flushed(), store->log().published());
  CHECK_EQ(store->FlushAll().code, Code::kStoreNotOpen);
}

TEST("open after a crash syncs the names of the segments that it found") {
  Scratch scratch;
  const StoreOptions options = TinyOptions(scratch / "store");
  auto store = OpenStore(options);
  CHECK(AppendOne(*store, "orders", 0, "message").ok());
  store.reset();  // without a close
  std::shared_ptr<FileSystem> faulty;
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "sync_dir:errno=5:path=/commitlog", &faulty).ok());
  Status status;
  store = OpenStore(options, &status, faulty.get());
  CHECK(!status.ok());
  store = OpenStore(options, &status);
  CHECK(status.ok());
  if (store) CHECK_EQ(Bodies(*store, "orders", 0).size(), size_t{1});
}

TEST("a unit that says fewer bytes than a record has is not read") {
  Scratch scratch;
  const StoreOptions options = TinyOptions(scratch / "store");
  auto store = OpenStore(options);
  for (int i = 0; i < 3; i++)
    CHECK(AppendOne(*store, "orders", 0, "message " + std::to_string(i), nullptr, "tag").ok());
  CHECK(store->Close().ok());
  uint8_t unit[kUnitBytes];
  EncodeUnit({options.segment_bytes - 1, 1, JavaHash("tag")}, unit);
  Overwrite(scratch / "store/consumequeue/orders/0/00000000000000000000", kUnitBytes,
            std::string(reinterpret_cast<const char*>(unit), kUnitBytes));
  store = OpenStore(options);
  const std::vector<std::string> tags{"tag"};
  const std::vector<int32_t> hashes{JavaHash("tag")};
  PullRequest request;
  request.queue = store->FindQueue("orders", 0);
  request.tags = &tags;
  request.tag_hashes = &hashes;
  request.copied = false;
  PullOutcome outcome;
  CHECK(store->Pull(request, &outcome).ok());
  CHECK_EQ(outcome.ranges.size(), size_t{2});
  CHECK_EQ(outcome.mismatches.size(), size_t{1});
}

TEST("records of a replica that no queue could take are dispatched before anything follows them") {
  Scratch scratch;
  const auto master = ThreeMessages(scratch / "master");
  const int64_t end = master->log().published();
  const uint8_t* const log = master->log().segments()->front()->base();
  std::shared_ptr<FileSystem> faulty;
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "reserve:errno=28:path=queue-orders:times=1", &faulty).ok());
  const StoreOptions options = TinyOptions(scratch / "replica");
  auto replica = OpenStore(options, nullptr, faulty.get());
  CHECK_EQ(replica->AppendRaw(0, log, static_cast<size_t>(end)).code, Code::kDiskFull);
  CHECK_EQ(replica->log().end(), end);
  AppendOutcome outcome;
  CHECK(AppendOne(*replica, "orders", 0, "message 3", &outcome).ok());
  CHECK_EQ(outcome.queue_offset, int64_t{3});
  CHECK_EQ(Bodies(*replica, "orders", 0).size(), size_t{4});
}

TEST("a delayed record's unit carries the time at which it is due") {
  Scratch scratch;
  auto store = OpenStore(TinyOptions(scratch / "store"));
  const Host host = LocalHost();
  MessageFields fields;
  fields.topic = "SCHEDULE_TOPIC_XXXX";
  fields.queue_id = 1;
  fields.body = "later";
  const std::string properties = std::string("DELAY") + kNameEnd + "2";
  fields.properties = properties;
  fields.born_host = fields.store_host = &host;
  ConsumeQueue* queue = nullptr;
  CHECK(store->Queue(fields.topic, 1, &queue).ok());
  AppendBuffer buffer;
  AppendOutcome outcome;
  CHECK(store->Append(&buffer, &fields, &queue, 1, {}, &outcome).ok());
  uint8_t unit[kUnitBytes];
  int64_t got = 0;
  CHECK(queue->Read(0, 1, unit, &got).ok());
  CHECK_EQ(DecodeUnit(unit).tag_code, outcome.store_timestamp + 5000);
}

TEST("prepared and rollback records enter no queue and take no offset") {
  Scratch scratch;
  auto store = OpenStore(TinyOptions(scratch / "store"));
  const Host host = LocalHost();
  AppendBuffer buffer;
  for (const int32_t type : {kTransactionNone, kTransactionPrepared, kTransactionCommit, kTransactionRollback}) {
    MessageFields fields;
    fields.topic = "pay";
    fields.body = "x";
    fields.keys = "key";
    fields.sys_flag = type;
    fields.born_host = fields.store_host = &host;
    ConsumeQueue* queue = nullptr;
    CHECK(store->Queue("pay", 0, &queue).ok());
    AppendOutcome outcome;
    CHECK(store->Append(&buffer, &fields, &queue, 1, {}, &outcome).ok());
  }
  CHECK_EQ(store->FindQueue("pay", 0)->max_offset(), int64_t{2});
  CHECK_EQ(Find(store->index(), "pay", "key", 10, 0, INT64_MAX).size(), size_t{3});
}

TEST("units read ahead are the queue's, whoever jumps, meets a file's end or shares a window while queues grow") {
  Scratch scratch;
  constexpr int kQueues = 12;
  auto store = OpenStore(TinyOptions(scratch / "store"));
  UnitWindows windows;
  std::mt19937 random(20);
  int64_t next[kQueues] = {};
  for (int turn = 0; turn < 6000; turn++) {
    const auto number = static_cast<int>(random() % kQueues);
    if (turn < kQueues || random() % 3 == 0) {
      const int32_t id = turn < kQueues ? turn : number;
      CHECK(AppendOne(*store, "orders", id, "message").ok());
      continue;
    }
    ConsumeQueue* const queue = store->FindQueue("orders", number);
    if (random() % 8 == 0) next[number] = static_cast<int64_t>(random() % (queue->max_offset() + 2));
    const auto count = static_cast<int64_t>(1 + random() % 40);
    uint8_t ahead[40 * kUnitBytes], alone[40 * kUnitBytes];
    int64_t got = 0, wanted = 0;
    CHECK(windows.Read(queue, next[number], count, ahead, &got, false).ok());
    CHECK(queue->Read(next[number], count, alone, &wanted).ok());
    CHECK_EQ(got, wanted);
    if (got == wanted && got > 0) CHECK(memcmp(ahead, alone, static_cast<size_t>(got) * kUnitBytes) == 0);
    next[number] += got;
  }
}

}  // namespace millrace::test
