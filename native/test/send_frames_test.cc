// Plain sends of the remoting protocol: what is one, what is stored of it, and what is answered.
#include "../wire/send_frames.h"

#include <random>

#include "check.h"
#include "plain_frames.h"

namespace millrace::test {
namespace {

using wire::FrameKind;
using wire::SendFrames;
using wire::SendRequest;

TEST("a plain send is stored as it was sent and answered to the byte") {
  Broker broker;
  broker.frames->Await(5, 2);
  const std::string frame = Frame(Header(), "hello");
  CHECK_EQ(broker.Take(frame), frame.size());
  CHECK_EQ(broker.taken.frames, 1);
  CHECK(broker.taken.refused.empty());
  CHECK(broker.taken.arrivals == (std::vector<SendFrames::Arrival>{{5, 2}}));
  const RecordView record = broker.Record(0);
  CHECK(record.found == Found::kRecord);
  CHECK_EQ(record.topic, "orders");
  CHECK_EQ(record.queue_id, 2);
  CHECK_EQ(record.properties,
           "UNIQ_KEY\x01U1\x02TAGS\x01TagA\x02"
           "CLUSTER\x01"
           "DefaultCluster");
  CHECK_EQ(broker.taken.log_end, record.size);
  CHECK_EQ(
      broker.taken.answers,
      Frame(
          R"({"code":0,"extFields":{"queueId":"2","TRACE_ON":"true","MSG_REGION":"DefaultRegion","msgId":"7F00000100002A9F0000000000000000","queueOffset":"0"},"flag":1,"language":"JAVA","opaque":8,"serializeTypeCurrentRPC":"JSON","version":409})",
          ""));
}

TEST("an arrival that is awaited is told of once; others are not") {
  Broker broker;
  const std::string one = Frame(Header(), "hello");
  for (const auto& [topic, queue] : {std::pair{5, 3}, {4, 2}, {6, 70000}, {5, 1}}) broker.frames->Await(topic, queue);
  broker.Take(one);
  CHECK(broker.taken.arrivals.empty());
  for (int i = 0; i < 3; i++) {
    for (int again = 0; again <= i; again++) broker.frames->Await(5, 2);
    broker.Take(one + one);
    CHECK(broker.taken.arrivals == (std::vector<SendFrames::Arrival>{{5, 2}}));
    broker.Take(one);
    CHECK(broker.taken.arrivals.empty());
  }
}

TEST("frames are taken up to the first that is none, whole ones alone; oneway is not answered") {
  Broker broker;
  const std::string one = Frame(Header(), "hello");
  const std::string other = Frame(R"({"code":34,"flag":0,"opaque":1})", "{}");
  CHECK_EQ(broker.Take(one + one + other + one), 2 * one.size());
  CHECK_EQ(broker.taken.frames, 2);
  CHECK(broker.taken.arrivals.empty());  // nobody awaits them
  for (size_t cut = 0; cut < one.size(); cut++)
    CHECK_EQ(broker.Take((one + one).substr(0, one.size() + cut)), one.size());
  const std::string oneway = Frame(Header(R"("m":"false")", "", "orders", 0, 310, 2), "x");
  CHECK_EQ(broker.Take(oneway), oneway.size());
  CHECK(broker.taken.answers.empty());
  CHECK_EQ(broker.taken.frames, 1);
}

TEST("what is unusual is left to others") {
  Broker broker;
  for (const std::string& frame : {
           Frame(Header(), "hello", 1),
           Frame(Header(R"("m":"maybe")"), "hello"),
           Frame(Header(R"("m":false)"), "hello"),
           Frame(Header(R"("m":"false","e":"1")"), "hello"),
           Frame(Header(R"("m":"false")", R"(DELAY\u00013)"), "hello"),
           Frame(Header(R"("m":"false")", R"(TRAN_MSG\u0001true)"), "hello"),
           Frame(Header(R"("m":"false")", R"(WAIT\u0001false)"), "hello"),
           Frame(Header(R"("m":"false")", R"(a\u0001\u00e4)"), "hello"),
           Frame(Header(R"("m":"false")", R"(a\x0001)"), "hello"),
           Frame(Header(R"("m":"false")", "", "nobody"), "hello"),
           Frame(Header(R"("m":"false")", "", "orders", 4), "hello"),
           Frame(Header(R"("m":"false")", "", "orders", -1), "hello"),
           Frame(Header(R"("m":"false")", "", "orders", 0, 10), "hello"),
           Frame(Header(R"("m":"false")", "", "orders", 0, 310, 1), "hello"),
           Frame(Header(), std::string(1001, 'x')),
           Frame(Header() + " ", "hello"),
           Frame(R"({"code":310,"extFields":{},"flag":0,"opaque":1})", "hello"),
           Frame(R"({"code":310,"extFields":{"b":"orders","e":"0"},"flag":0,"opaque":1})", "hello"),
       })
    CHECK_EQ(broker.Take(frame), 0U);
  CHECK_EQ(broker.store->log().published(), 0);
  broker.frames->SetTopic("orders", 5, 0);
  CHECK_EQ(broker.Take(Frame(Header(), "hello")), 0U);
}

TEST("a frame that the store refuses is given back, the others are answered") {
  Broker broker;
  const std::string good = Frame(Header(), "hello"),
                    bad = Frame(Header(R"("m":"false")", "a\\u0001" + std::string(32767, 'x')), "x");
  CHECK_EQ(broker.Take(good + bad + good), 2 * good.size() + bad.size());
  CHECK_EQ(broker.taken.frames, 2);
  CHECK_EQ(broker.taken.refused.size(), 1U);
  CHECK_EQ(broker.taken.refused[0].at, good.size());
  CHECK_EQ(broker.taken.refused[0].bytes, bad.size());
  CHECK(broker.store->Close().ok());
  CHECK_EQ(broker.Take(good), good.size());
  CHECK_EQ(broker.taken.frames, 0);
  CHECK_EQ(broker.taken.refused.size(), 1U);
}

std::string BatchEntry(std::string_view body, std::string_view properties) {
  std::string entry(20, 0);
  entry.append(body);
  entry.append({static_cast<char>(properties.size() >> 8), static_cast<char>(properties.size() & 255)});
  entry.append(properties);
  auto* const data = reinterpret_cast<uint8_t*>(entry.data());
  Put32(data, static_cast<uint32_t>(entry.size()));
  Put32(data + 16, static_cast<uint32_t>(body.size()));
  return entry;
}

TEST("a batch is appended together and answered with all its ids; one that is cut off is no plain send") {
  Broker broker;
  const std::string body =
      BatchEntry("b1", "UNIQ_KEY\x01U1\x02WAIT\x01true") + BatchEntry("", "") + BatchEntry("b3", "TAGS\x01T");
  const std::string header = Header(R"("m":"true")", R"(WAIT\u0001true)", "orders", 1, 320);
  const std::string frame = Frame(header, body);
  const std::string one = Frame(Header(), "hello");
  CHECK_EQ(broker.Take(one + frame + one), 2 * one.size() + frame.size());
  CHECK_EQ(broker.taken.frames, 3);
  int ids = 0;
  for (size_t at = 0; (at = broker.taken.answers.find("7F000001", at)) != std::string::npos; at++) ids++;
  CHECK_EQ(ids, 5);
  const RecordView first = broker.Record(broker.Record(0).size);
  CHECK_EQ(first.properties,
           "UNIQ_KEY\x01U1\x02WAIT\x01true\x02"
           "CLUSTER\x01"
           "DefaultCluster");
  CHECK_EQ(broker.store->FindQueue("orders", 1)->max_offset(), 3);
  for (size_t cut = 1; cut < body.size(); cut++) {
    const size_t bytes = broker.Take(Frame(header, body.substr(0, cut)));
    // Cut between two entries it is a shorter batch.
    if (bytes > 0) CHECK_EQ(broker.taken.frames, 1);
  }
  CHECK_EQ(broker.Take(Frame(header, "")), 0U);
}

TEST("what is stored may take more than the bytes that asked for it: a long cluster, and batches of nothing") {
  Broker broker(std::string(120, 'c'), 1 << 20);
  std::string entries, run;
  for (int i = 0; i < 500; i++) entries += BatchEntry("", "");
  const std::string frame = Frame(Header(R"("m":"true")", "", "orders", 1, 320), entries);
  for (int i = 0; i < 12; i++) run += frame;
  CHECK_EQ(broker.Take(run), run.size());
  CHECK_EQ(broker.taken.frames + static_cast<int64_t>(broker.taken.refused.size()), 12);
}

TEST("no bytes end the process") {
  Broker broker;
  std::mt19937_64 random(20261129);
  const std::string good[] = {Frame(Header(), "hello"),
                              Frame(Header(R"("m":"true")", "", "orders", 1, 320), BatchEntry("b1",
                                                                                              "a\x01"
                                                                                              "b"))};
  for (int round = 0; round < 20000; round++) {
    std::string bytes = good[random() % 2] + good[random() % 2];
    Damage(random, &bytes);
    // In memory of its own, so that a sanitizer sees a look beyond its end.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    CHECK(broker.Take({exact.data(), exact.size()}) <= bytes.size());
  }
}

TEST("JSON's escapes of a text of Java's are read, others and halves are refused") {
  char out[64];
  const auto read = [&](std::string_view text) {
    const ptrdiff_t bytes = wire::Unescape(text, out);
    return bytes < 0 ? "refused" : std::string(out, static_cast<size_t>(bytes));
  };
  CHECK_EQ(read(R"(a\u0001\"\\\/\b\f\n\r\tb)"), "a\x01\"\\/\b\f\n\r\tb");
  CHECK_EQ(read("\xc3\xa4"), "\xc3\xa4");
  for (const char* text : {"\\", "\\u", "\\u000", "\\u00g0", "\\u0080", "\\x"}) CHECK_EQ(read(text), "refused");
}

}  // namespace
}  // namespace millrace::test
