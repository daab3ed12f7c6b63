// Messages that enter further queues (multi-dispatch and LMQ).
#include "../core/store.h"
#include "check.h"
#include "compare_sent.h"
#include "scratch.h"

namespace millrace::test {
namespace {

StoreOptions SideOptions(const std::string& root) {
  StoreOptions options = TinyOptions(root);
  options.multi_dispatch = options.lmq = true;
  return options;
}

struct Message {
  std::string topic, properties, body = "body";
  int32_t queue_id = 0, sys_flag = 0;
};

std::string Property(const std::string& name, const std::string& value) { return name + kNameEnd + value; }
std::string Dispatch(const std::string& names) { return Property("INNER_MULTI_DISPATCH", names); }

// Appends all at once.
Status AppendAll(Store& store, const std::vector<Message>& messages, std::vector<AppendOutcome>* outcomes,
                 AppendMode mode = {}) {
  const Host host = LocalHost();
  AppendBuffer buffer;
  std::vector<MessageFields> fields(messages.size());
  std::vector<ConsumeQueue*> queues(messages.size());
  outcomes->assign(messages.size(), {});
  for (size_t i = 0; i < messages.size(); i++) {
    fields[i].topic = messages[i].topic;
    fields[i].queue_id = messages[i].queue_id;
    fields[i].sys_flag = messages[i].sys_flag;
    fields[i].body = messages[i].body;
    fields[i].tags = "tag";
    fields[i].keys = "key";
    fields[i].properties = messages[i].properties;
    fields[i].born_timestamp = 1700000000000;
    fields[i].born_host = fields[i].store_host = &host;
    MILLRACE_RETURN_IF_ERROR(store.Queue(messages[i].topic, messages[i].queue_id, &queues[i]));
  }
  return store.Append(&buffer, fields.data(), queues.data(), fields.size(), mode, outcomes->data());
}

AppendOutcome AppendAlone(Store& store, const Message& message) {
  std::vector<AppendOutcome> outcomes;
  CHECK(AppendAll(store, {message}, &outcomes).ok());
  return outcomes[0];
}

KnownProperties PropertiesAt(Store& store, int64_t log_offset) {
  std::shared_ptr<Segment> segment;
  CHECK(store.log().Find(log_offset, &segment).ok());
  const int64_t at = log_offset - segment->from();
  const RecordView view = CheckRecord(segment->base() + at, segment->bytes() - at, log_offset, true);
  CHECK_EQ(view.found, Found::kRecord);
  return ReadProperties(view.properties);
}

std::string OffsetsAt(Store& store, const AppendOutcome& outcome) {
  return std::string(PropertiesAt(store, outcome.log_offset).multi_queue_offset);
}

int64_t End(const Store& store, const std::string& topic, int32_t queue_id) {
  const ConsumeQueue* const queue = store.FindQueue(topic, queue_id);
  return queue == nullptr ? -1 : queue->max_offset();
}

}  // namespace

TEST("a message enters the queues that it names, and its record has its number in each") {
  Scratch scratch;
  for (const bool crash : {false, true}) {
    const std::string root = scratch / (crash ? "crashed" : "closed");
    auto store = OpenStore(SideOptions(root));
    for (int i = 0; i < 60; i++) {
      const std::string number = std::to_string(i);
      const AppendOutcome outcome =
          AppendAlone(*store, {"orders", Dispatch("%LMQ%a,plain,%LMQ%b"), "message " + number, 2});
      CHECK_EQ(OffsetsAt(*store, outcome), number + "," + number + "," + number);
    }
    const std::vector<std::string> bodies = Bodies(*store, "orders", 2);
    CHECK_EQ(bodies.size(), size_t{60});
    if (!crash) CHECK(store->Close().ok());
    store.reset();
    if (crash) std::filesystem::remove_all(root + "/consumequeue/%LMQ%b");
    store = OpenStore(SideOptions(root));
    CHECK_EQ(store->recovery().clean_before, !crash);
    CHECK(Bodies(*store, "%LMQ%a", 0) == bodies);
    CHECK(Bodies(*store, "plain", 2) == bodies);
    CHECK(Bodies(*store, "%LMQ%b", 0) == bodies);
    CHECK_EQ(store->queues().All().size(), size_t{4});
    CHECK_EQ(OffsetsAt(*store, AppendAlone(*store, {"x", Dispatch("%LMQ%b,%LMQ%new,orders"), "", 2})), "60,0,60");
  }
}

TEST("a queue that is named twice, or is the message's own, gets one unit") {
  Scratch scratch;
  auto store = OpenStore(SideOptions(scratch / "store"));
  CHECK_EQ(OffsetsAt(*store, AppendAlone(*store, {"orders", Dispatch("a,orders,a")})), "0,0,0");
  CHECK_EQ(OffsetsAt(*store, AppendAlone(*store, {"orders", Dispatch("a,orders,a")})), "1,1,1");
  CHECK_EQ(End(*store, "orders", 0), int64_t{2});
  CHECK_EQ(End(*store, "a", 0), int64_t{2});
  store.reset();
  store = OpenStore(SideOptions(scratch / "store"));
  CHECK_EQ(End(*store, "orders", 0), int64_t{2});
  CHECK_EQ(End(*store, "a", 0), int64_t{2});
}

TEST("offsets that the caller gives are replaced and WAIT goes, everything else stays") {
  Scratch scratch;
  auto store = OpenStore(SideOptions(scratch / "store"));
  const std::string end(1, kPropertyEnd);
  const AppendOutcome outcome =
      AppendAlone(*store, {"orders", Property("INNER_MULTI_QUEUE_OFFSET", "7,8") + end + Dispatch("a,b,") + end +
                                         Property("WAIT", "true") + end + Property("mine", "1") + end});
  std::shared_ptr<Segment> segment;
  CHECK(store->log().Find(0, &segment).ok());
  const RecordView view = CheckRecord(segment->base(), segment->bytes(), 0, true);
  CHECK_EQ(view.size, outcome.size);
  CHECK_EQ(std::string(view.properties), Property("KEYS", "key") + end + Property("TAGS", "tag") + end +
                                             Dispatch("a,b,") + end + Property("mine", "1") + end +
                                             Property("INNER_MULTI_QUEUE_OFFSET", "0,0"));
  CHECK_EQ(End(*store, "b", 0), int64_t{1});
}

TEST("messages of one append take their numbers in the log's order, whichever way they enter a queue") {
  Scratch scratch;
  auto store = OpenStore(SideOptions(scratch / "store"));
  std::vector<AppendOutcome> outcomes;
  AppendMode together;
  together.all_or_nothing = true;
  CHECK(AppendAll(*store, {{"a", ""}, {"b", Dispatch("a")}, {"a", Dispatch("b,c")}, {"a", ""}, {"c", Dispatch("a,b")}},
                  &outcomes, together)
            .ok());
  const std::vector<int64_t> own = {0, 0, 2, 3, 1};
  const std::vector<std::string> sides = {"", "1", "1,0", "", "4,2"};
  for (size_t i = 0; i < own.size(); i++) {
    CHECK_EQ(outcomes[i].queue_offset, own[i]);
    CHECK_EQ(OffsetsAt(*store, outcomes[i]), sides[i]);
  }
  CHECK_EQ(Bodies(*store, "a", 0).size(), size_t{5});
  CHECK_EQ(Bodies(*store, "b", 0).size(), size_t{3});
  CHECK_EQ(Bodies(*store, "c", 0).size(), size_t{2});
}

TEST("without multi-dispatch, in a transaction that is not committed and for blank names nothing is dispatched") {
  Scratch scratch;
  const std::string given = Dispatch("a") + kPropertyEnd + Property("INNER_MULTI_QUEUE_OFFSET", "5");
  {
    auto store = OpenStore(TinyOptions(scratch / "plain"));
    CHECK_EQ(OffsetsAt(*store, AppendAlone(*store, {"orders", given})), "5");
    CHECK_EQ(End(*store, "a", 0), int64_t{-1});
  }
  auto store = OpenStore(SideOptions(scratch / "store"));
  for (const int32_t type : {kTransactionPrepared, kTransactionRollback})
    CHECK_EQ(OffsetsAt(*store, AppendAlone(*store, {"orders", Dispatch("a"), "", 0, type})), "");
  for (const char* names : {" ", "\t \r", ",", ",,"})
    CHECK_EQ(OffsetsAt(*store, AppendAlone(*store, {"orders", Dispatch(names)})), "");
  CHECK_EQ(End(*store, "a", 0), int64_t{-1});
  CHECK_EQ(OffsetsAt(*store, AppendAlone(*store, {"orders", Dispatch("a"), "", 0, kTransactionCommit})), "0");
}

TEST("names that are no topics refuse the message, and leave no queue") {
  Scratch scratch;
  auto store = OpenStore(SideOptions(scratch / "store"));
  std::vector<AppendOutcome> outcomes;
  CHECK(AppendAll(*store,
                  {{"orders", Dispatch("good,../a")},
                   {"orders", Dispatch("good,,b")},
                   {"orders", Dispatch("good, b")},
                   {"orders", Dispatch("good," + std::string(128, 'x'))},
                   {"orders", ""}},
                  &outcomes)
            .ok());
  for (size_t i = 0; i < 4; i++) {
    CHECK_EQ(outcomes[i].code, Code::kMessageIllegal);
    CHECK(outcomes[i].bad_side_queue);
  }
  CHECK_EQ(outcomes[4].queue_offset, int64_t{0});
  AppendMode all;
  all.all_or_nothing = true;
  const Status status = AppendAll(*store, {{"orders", Dispatch("good")}, {"orders", Dispatch("a b")}}, &outcomes, all);
  CHECK_EQ(status.code, Code::kMessageIllegal);
  CHECK_EQ(status.offset(), int64_t{1});
  CHECK(status.message().find("INNER_MULTI_DISPATCH") != std::string::npos);
  CHECK_EQ(End(*store, "good", 0), int64_t{-1});
  CHECK_EQ(End(*store, "orders", 0), int64_t{1});
}

TEST("the offsets count: a property string that they make too long is refused alone, and takes no number") {
  Scratch scratch;
  StoreOptions options = SideOptions(scratch / "store");
  options.segment_bytes = 1 << 20;
  auto store = OpenStore(options);
  for (int i = 0; i < 9; i++) (void)AppendAlone(*store, {"orders", Dispatch("a")});
  // TAGS, KEYS, names and offsets, and what is left to 32,767 bytes with an offset of one digit.
  const std::string end(1, kPropertyEnd);
  const std::string around = Property("KEYS", "key") + end + Property("TAGS", "tag") + end + Property("p", "") + end +
                             Dispatch("a") + end + Property("INNER_MULTI_QUEUE_OFFSET", "9");
  const std::string full = Property("p", std::string(kMaxPropertiesBytes - around.size(), 'x')) + end + Dispatch("a");
  std::vector<AppendOutcome> outcomes;
  CHECK(AppendAll(*store,
                  {{"orders", full}, {"orders", full}, {"orders", Dispatch("a")}, {"orders", full}, {"orders", ""}},
                  &outcomes)
            .ok());
  const std::vector<Code> codes = {Code::kOk, Code::kPropertiesSizeExceeded, Code::kOk, Code::kPropertiesSizeExceeded,
                                   Code::kOk};
  for (size_t i = 0; i < codes.size(); i++) CHECK_EQ(outcomes[i].code, codes[i]);
  CHECK_EQ(OffsetsAt(*store, outcomes[0]), "9");
  CHECK_EQ(OffsetsAt(*store, outcomes[2]), "10");
  CHECK_EQ(End(*store, "a", 0), int64_t{11});
  CHECK_EQ(End(*store, "orders", 0), int64_t{12});
  CHECK_EQ(Find(store->index(), "orders", "key", 100, 0, INT64_MAX).size(), size_t{12});
  // Alone, and as a batch, of which nothing stays.
  CHECK_EQ(AppendAlone(*store, {"orders", full}).code, Code::kPropertiesSizeExceeded);
  AppendMode all;
  all.all_or_nothing = true;
  const Status status = AppendAll(*store, {{"orders", Dispatch("a,b")}, {"c", full}}, &outcomes, all);
  CHECK_EQ(status.code, Code::kPropertiesSizeExceeded);
  CHECK_EQ(status.offset(), int64_t{1});
  CHECK_EQ(OffsetsAt(*store, AppendAlone(*store, {"orders", Dispatch("a,b")})), "11,0");
  CHECK_EQ(End(*store, "c", 0), int64_t{0});
}

TEST("a batch that the offsets make larger than a segment is refused") {
  Scratch scratch;
  auto store = OpenStore(SideOptions(scratch / "store"));
  AppendMode together;
  together.all_or_nothing = together.together = true;
  std::vector<AppendOutcome> outcomes;
  const auto batch = [&](size_t body) {
    return AppendAll(*store, {{"orders", Dispatch("a"), std::string(body, 'x')}, {"orders", Dispatch("a"), ""}},
                     &outcomes, together);
  };
  CHECK(batch(0).ok());
  const auto room = static_cast<size_t>(store->log().MaxRecordBytes() - outcomes[0].size - outcomes[1].size);
  for (int i = 0; i < 6; i++) (void)AppendAlone(*store, {"orders", Dispatch("a")});
  CHECK(batch(room).ok());  // offsets 8 and 9
  CHECK_EQ(End(*store, "a", 0), int64_t{10});
  const Status status = batch(room);
  CHECK_EQ(status.code, Code::kMessageIllegal);
  CHECK_EQ(End(*store, "a", 0), int64_t{10});
  CHECK(batch(room - 2).ok());
  CHECK_EQ(OffsetsAt(*store, outcomes[1]), "11");
}

TEST("a store that is opened without multi-dispatch keeps its side queues, and a backup has them") {
  Scratch scratch;
  auto store = OpenStore(SideOptions(scratch / "store"));
  for (int i = 0; i < 50; i++) (void)AppendAlone(*store, {"orders", Dispatch("%LMQ%a,side"), std::to_string(i), 1});
  Store::BackedUp done;
  CHECK(store->Backup(scratch / "backup", &done).ok());
  const std::vector<std::string> bodies = Bodies(*store, "orders", 1);
  CHECK(store->Close().ok());
  std::filesystem::remove_all(scratch / "store/millrace");  // all of the log is read
  store = OpenStore(TinyOptions(scratch / "store"));
  CHECK(Bodies(*store, "%LMQ%a", 0) == bodies);
  CHECK(store->Backup(scratch / "plain", &done).ok());
  for (const char* name : {"backup", "plain"}) {
    auto copy = OpenStore(SideOptions(scratch / name));
    CHECK(Bodies(*copy, "side", 1) == bodies);
    CHECK(Bodies(*copy, "%LMQ%a", 0) == bodies);
  }
}

}  // namespace millrace::test
