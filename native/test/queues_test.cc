#include "../core/store.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {

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

}  // namespace millrace::test
