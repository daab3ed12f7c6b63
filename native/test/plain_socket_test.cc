// Sockets that the core reads: plain sends and pulls on them, in any pieces, and what is handed over.
#include "../wire/plain_socket.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <functional>
#include <random>

#include "../core/platform.h"
#include "check.h"
#include "plain_frames.h"

namespace millrace::test {
namespace {

using wire::PlainSocket;
using wire::PullFrames;
using wire::PullMessageRequest;

// A broker's end of a connection, and the other one.
struct Connected {
  Broker broker;
  PullFrames pulls{broker.store.get(), 409};
  std::vector<int64_t> commits;  // of pulls that were admitted
  bool admits = true;
  int waiting = 0;  // of those, pulls for which there was nothing yet
  std::function<void()> when_asked = [] {};
  int peer = -1;
  std::unique_ptr<PlainSocket> socket;

  explicit Connected(std::string_view begun = "", int64_t segment_bytes = 16384)
      : broker("DefaultCluster", 1 << 20, segment_bytes) {
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    for (const int end : ends) fcntl(end, F_SETFL, O_NONBLOCK);
    peer = ends[1];
    const auto admit = [this](int32_t number, const PullMessageRequest& pull, bool waits) {
      CHECK_EQ(number, 7);
      when_asked();
      if (admits) commits.push_back(pull.commit_offset);
      if (admits && waits) waiting++;
      return admits;
    };
    socket = std::make_unique<PlainSocket>(broker.frames.get(), &pulls, admit, ends[0], broker.born, begun);
    const std::string_view all = "*", tag = "TagB";
    pulls.Set("G", "orders", &tag, {7, {"TagB"}, {JavaHash("TagB")}, 0, 1, {}});
    pulls.Set("G", "orders", &all, {7, {}, {}, 0, 1, {}});
    pulls.Set("G", "orders", nullptr, {7, {}, {}, 0, 1, {}});
  }
  ~Connected() {
    if (peer >= 0) close(peer);
  }
  void Send(std::string_view bytes) {
    CHECK_EQ(write(peer, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  PlainSocket::Read Next(bool take = true) { return socket->Next({take, take}, &broker.taken); }
  std::string Answers() {
    char bytes[65536];
    std::string all;
    for (ssize_t got; (got = read(peer, bytes, sizeof bytes)) > 0;) all.append(bytes, static_cast<size_t>(got));
    return all;
  }
  size_t Answered() { return Answers().size(); }  // bytes
  std::string Log(int64_t from, int64_t to) {
    const auto segment = CommitLog::FindIn(*broker.store->log().segments(), from, broker.store->log().segment_bytes());
    return {reinterpret_cast<const char*>(segment->base()) + (from - segment->from()), static_cast<size_t>(to - from)};
  }
};

// As a Java client writes it.
std::string PullHeader(int64_t offset, int sys_flag = 3, std::string_view more = "", std::string_view group = "G",
                       int queue = 2, std::string_view last = "") {
  std::string header = R"({"code":11,"extFields":{"queueId":")" + std::to_string(queue) +
                       R"(","maxMsgNums":"32","sysFlag":")" + std::to_string(sys_flag) +
                       R"(","suspendTimeoutMillis":"15000","commitOffset":"41","topic":"orders","queueOffset":")" +
                       std::to_string(offset) + R"(","consumerGroup":")";
  header.append(group).append(R"(","expressionType":"TAG","subVersion":"1795383671491")").append(more);
  return header.append(R"(},"flag":0,"language":"JAVA","opaque":9,"serializeTypeCurrentRPC":"JSON","version":409)")
             .append(last) +
         "}";
}

std::string PullAnswer(int64_t next, int64_t max, std::string_view body) {
  std::string header = R"({"code":0,"extFields":{"suggestWhichBrokerId":"0","nextBeginOffset":")" +
                       std::to_string(next) + R"(","maxOffset":")" + std::to_string(max) + R"(","minOffset":"0"})";
  header +=
      R"(,"flag":1,"language":"JAVA","opaque":9,"remark":"FOUND","serializeTypeCurrentRPC":"JSON","version":409})";
  return Frame(header, body);
}

const std::string kOne = Frame(Header(), "hello");
const std::string kOther = Frame(R"({"code":34,"flag":0,"opaque":1})", "{}");

TEST(
    "a socket's plain sends are taken in any pieces and answered there; what else comes is handed over with all behind "
    "it") {
  Connected end;
  const std::string three = kOne + kOne + kOne;
  for (const char& byte : three) {
    end.Send({&byte, 1});
    CHECK(!end.Next().handed_over());
  }
  CHECK_EQ(end.broker.store->FindQueue("orders", 2)->max_offset(), 3);
  const size_t answer = end.Answered() / 3;
  CHECK(answer > 100);

  end.Send(kOne.substr(0, 50));
  CHECK(!end.Next().handed_over());
  end.Send(kOne.substr(50) + kOne + kOther + kOne);
  CHECK_EQ(end.Next().rest, kOther + kOne);
  CHECK_EQ(end.Answered(), 2 * answer);
  end.Send(kOne);
  CHECK_EQ(end.Next().rest, kOne);
  end.socket->TakeBack(kOne.substr(0, 7));
  end.Send(kOne.substr(7));
  CHECK(!end.Next().handed_over());
  CHECK_EQ(end.Answered(), answer);

  end.Send(kOne.substr(0, 9));
  CHECK(!end.Next().handed_over());
  end.socket->HandOver();
  end.Send(kOne.substr(9));
  CHECK_EQ(end.Next().rest, kOne);
  end.socket->TakeBack("");
  end.Send(kOne);
  CHECK_EQ(end.Next(false).rest, kOne);
  CHECK_EQ(end.Answered(), 0U);
  CHECK_EQ(end.broker.store->FindQueue("orders", 2)->max_offset(), 6);
}

TEST("frames that the store refuses are handed over, in order, before what is left") {
  Connected end(kOne.substr(0, 3));
  const std::string bad = Frame(Header(R"("m":"false")", "a\\u0001" + std::string(32767, 'x')), "x");
  const std::string worse = Frame(Header(R"("m":"false")", "a\\u0001" + std::string(32767, 'y')), "x");
  end.Send(kOne.substr(3) + bad + kOne + worse + kOne.substr(0, 11));
  CHECK_EQ(end.Next().rest, bad + worse + kOne.substr(0, 11));
  CHECK_EQ(end.broker.taken.frames, 2);
  end.socket->TakeBack("");
  CHECK(end.broker.store->Close().ok());
  end.Send(kOne);
  CHECK_EQ(end.Next().rest, kOne);
}

TEST("the beginning of a large frame is not kept, nor are those of many sockets") {
  const std::string large = Frame(Header(), std::string(100000, 'x'));
  {
    Connected end;
    end.Send(large.substr(0, 65536));
    CHECK(!end.Next().handed_over());
    end.Send(large.substr(65536, 1000));
    CHECK_EQ(end.Next().rest, large.substr(0, 66536));
  }
  std::vector<std::unique_ptr<Connected>> ends;
  int kept = 0;
  for (int i = 0; i < 260; i++) {
    ends.push_back(std::make_unique<Connected>());
    ends.back()->Send(large.substr(0, 65536));
    kept += ends.back()->Next().handed_over() ? 0 : 1;
  }
  CHECK_EQ(kept, 256);
  // What is given back is kept all the same: nobody else has it.
  ends.back()->socket->TakeBack(large.substr(0, 16384));
  ends.back()->Send(large.substr(16384, 1));
  CHECK_EQ(ends.back()->Next().rest, large.substr(0, 16385));
  ends.erase(ends.begin(), ends.begin() + 200);
  CHECK(!ends.back()->Next().handed_over());
  ends.back()->socket->TakeBack(large.substr(0, 65536));
  ends.back()->Send(large.substr(65536));
  CHECK_EQ(ends.back()->Next().rest, large);  // no segment holds it
}

TEST("a socket that takes no answers leaves them; its end and its errors are told, what was kept before them") {
  Connected end;
  size_t unsent = 0;
  for (int i = 0; unsent == 0 && i < 100000; i++) {
    end.Send(kOne);
    unsent = end.Next().unsent.size();
  }
  CHECK(unsent > 0);
  end.socket->TakeBack("");
  end.Send(kOne.substr(0, 5));
  CHECK(!end.Next().handed_over());
  CHECK(!end.Next().handed_over());  // nothing there
  close(end.peer);
  end.peer = -1;
  const PlainSocket::Read last = end.Next();
  CHECK(last.ended);
  CHECK_EQ(last.rest, kOne.substr(0, 5));
  // What the peer has not read makes it a reset; then comes the end.
  CHECK(last.error == ECONNRESET || last.error == 0);
  CHECK(end.Next().ended);
  CHECK(platform::CoarseMs() - end.socket->heard_ms() < 60000);
}

TEST("a plain pull is answered to the byte, in any pieces, and between sends") {
  Connected end;
  for (int i = 0; i < 3; i++) end.Send(kOne);
  CHECK(!end.Next().handed_over());
  const size_t answer = end.Answered() / 3;
  const int64_t published = end.broker.store->log().published();
  const std::string pull = Frame(PullHeader(0), ""), all = PullAnswer(3, 3, end.Log(0, published));
  for (const char& byte : pull) {
    end.Send({&byte, 1});
    CHECK(!end.Next().handed_over());
  }
  CHECK_EQ(end.Answers(), all);
  CHECK_EQ(end.broker.taken.pulls, 1);
  CHECK(end.commits == std::vector<int64_t>{41});
  const std::string subscribed = Frame(PullHeader(1, 7, R"(,"subscription":"*")"), "");
  end.Send(pull + subscribed + kOne + pull + kOther + pull);
  CHECK_EQ(end.Next().rest, kOther + pull);
  CHECK_EQ(end.broker.taken.pulls, 3);
  CHECK_EQ(end.broker.taken.frames, 1);
  const std::string answers = end.Answers();
  const int64_t first = end.broker.Record(0).size;
  const std::string two = all + PullAnswer(3, 3, end.Log(first, published));
  CHECK_EQ(answers.substr(0, two.size()), two);
  CHECK_EQ(answers.substr(two.size() + answer), PullAnswer(4, 4, end.Log(0, end.broker.store->log().published())));
}

TEST("a pull with tags gets the records that have them, to the byte") {
  Connected end;
  for (int i = 0; i < 6; i++)
    end.Send(Frame(Header(R"("m":"false")", i % 2 == 0 ? R"(TAGS\u0001TagA)" : R"(TAGS\u0001TagB)"), "hello"));
  CHECK(!end.Next().handed_over());
  end.Answers();
  const int64_t size = end.broker.Record(0).size;
  std::string body;
  for (int i = 1; i < 6; i += 2) body += end.Log(i * size, (i + 1) * size);
  end.Send(Frame(PullHeader(0, 4, R"(,"subscription":"TagB")"), ""));
  CHECK(!end.Next().handed_over());
  CHECK_EQ(end.Answers(), PullAnswer(6, 6, body));
}

TEST("a pull that is no plain one is left, and nothing of it has happened") {
  Connected end;
  end.Send(kOne);
  CHECK(!end.Next().handed_over());
  end.Answers();
  const std::string plain = PullHeader(0);
  const auto without = [&](std::string_view what) {
    std::string header = plain;
    return header.erase(header.find(what), what.size());
  };
  for (const std::string& frame : {
           Frame(PullHeader(2), ""),
           Frame(PullHeader(-1), ""),
           Frame(PullHeader(0, 3, "", "other"), ""),
           Frame(PullHeader(0, 3, "", "G\\u0001"), ""),
           Frame(PullHeader(0, 3, "", "G", 3), ""),
           Frame(PullHeader(0, 3, "", "G", -1), ""),
           Frame(PullHeader(0, 8), ""),
           Frame(PullHeader(0, 7, R"(,"subscription":"Tag\\u0042")"), ""),
           Frame(PullHeader(0, 7, R"(,"subscription":"TagC")"), ""),
           Frame(PullHeader(0, 7), ""),
           Frame(PullHeader(0, 3, R"(,"queueId":"2")"), ""),
           Frame(PullHeader(0, 3, R"(,"lo":true)"), ""),
           Frame(PullHeader(0, 3, "", "G", 2, R"(,"flag":2)"), ""),
           Frame(PullHeader(0), "", 1),
           Frame(without(R"("subVersion":"1795383671491")"), ""),
           Frame(without(R"("commitOffset":"41",)"), ""),
           Frame(without(R"("code":11,)"), ""),
           Frame(std::string(plain).replace(plain.find("TAG"), 3, "SQL92"), ""),
           Frame(std::string(plain).replace(plain.find("15000"), 5, "15 00"), ""),
       }) {
    end.Send(frame);
    CHECK_EQ(end.Next().rest, frame);
    end.socket->TakeBack("");
  }
  CHECK(end.commits.empty());
  end.admits = false;
  end.Send(Frame(plain, ""));
  CHECK_EQ(end.Next().rest, Frame(plain, ""));
  end.admits = true;
  end.socket->TakeBack("");
  end.when_asked = [&] { end.pulls.Clear(); };
  end.Send(Frame(plain, ""));
  CHECK_EQ(end.Next().rest, Frame(plain, ""));
  CHECK_EQ(end.Answered(), 0U);
}

TEST("a pull at the end of its queue waits, if it may and whoever is asked has it wait") {
  Connected end;
  end.Send(kOne);
  CHECK(!end.Next().handed_over());
  const size_t answer = end.Answered();
  const std::string waits = Frame(PullHeader(1, 3, "", "G", 2), "");
  // What comes behind it is taken, and told of.
  end.when_asked = [&] { end.broker.frames->Await(5, 2); };
  end.Send(waits + kOne);
  CHECK(!end.Next().handed_over());
  CHECK_EQ(end.broker.taken.pulls, 1);
  CHECK_EQ(end.broker.taken.arrivals.size(), 1U);
  CHECK_EQ(end.waiting, 1);
  CHECK_EQ(end.Answered(), answer);
  const std::string later = Frame(PullHeader(2, 3, "", "G", 2), "");
  end.admits = false;
  end.Send(later);
  CHECK_EQ(end.Next().rest, later);
  end.admits = true;
  end.socket->TakeBack("");
  for (const std::string& left : {Frame(PullHeader(2, 1, "", "G", 2), ""), Frame(PullHeader(3, 3, "", "G", 2), "")}) {
    end.Send(left);
    CHECK_EQ(end.Next().rest, left);
    end.socket->TakeBack("");
  }
  CHECK_EQ(end.waiting, 1);
}

TEST("a pull that has waited is answered as others, as long as nothing has been handed over") {
  Connected end;
  for (int i = 0; i < 3; i++) end.Send(kOne);
  CHECK(!end.Next().handed_over());
  end.Answers();
  const int64_t size = end.broker.Record(0).size;
  const PullFrames::Waiting waiting{7, 2, 32, 9, 2};
  PlainSocket::Read read;
  CHECK(end.socket->Answer(waiting, &read));
  CHECK(!read.handed_over());
  CHECK_EQ(end.Answers(), PullAnswer(3, 3, end.Log(2 * size, 3 * size)));
  CHECK(end.commits.empty());
  for (const PullFrames::Waiting& none : {PullFrames::Waiting{8, 2, 32, 9, 2}, PullFrames::Waiting{7, 3, 32, 9, 0},
                                          PullFrames::Waiting{7, -1, 32, 9, 0}, PullFrames::Waiting{7, 2, 32, 9, 3}})
    CHECK(!end.socket->Answer(none, &read));
  end.socket->HandOver();
  CHECK(!end.socket->Answer(waiting, &read));
  end.socket->TakeBack("");
  int answers = 0;
  while (!read.handed_over() && answers < 100000) {
    CHECK(end.socket->Answer({7, 2, 32, 9, 0}, &read));
    answers++;
  }
  CHECK(!read.ended);
  CHECK(!end.socket->Answer(waiting, &read));
  end.socket->TakeBack("");
  end.pulls.Clear();
  CHECK(!end.socket->Answer(waiting, &read));
}

TEST("a socket that takes no more of an answer leaves the rest of its head and its ranges") {
  for (const int body_bytes : {0, 300, 5000}) {
    Connected end("", 1 << 20);
    for (int i = 0; i < 8; i++) end.Send(Frame(Header(), std::string(static_cast<size_t>(body_bytes), 'x')));
    for (int reads = 0; reads < 8; reads++) CHECK(!end.Next().handed_over());
    CHECK_EQ(end.broker.store->FindQueue("orders", 2)->max_offset(), 8);
    end.Answers();
    std::string got, expected;
    PlainSocket::Read read;
    const std::string pull = Frame(PullHeader(0), "");
    int64_t pulls = 0;
    while (!read.handed_over() && pulls < 10000) {
      end.Send(pull + pull);
      read = end.Next();
      pulls += end.broker.taken.pulls;
    }
    CHECK(read.rest == (end.broker.taken.pulls == 1 ? pull : ""));
    CHECK(!read.ended);
    got = end.Answers();
    got.append(read.unsent);
    for (const auto& [from, to] : read.unsent_ranges) got += end.Log(from, to);
    const int64_t size = end.broker.Record(0).size;
    const std::string one = PullAnswer(8, 8, end.Log(0, 8 * size));
    for (int64_t i = 0; i < pulls; i++) expected += one;
    CHECK(got == expected);
  }
}

TEST("no bytes of pulls and sends end the process") {
  Connected end;
  std::mt19937_64 random(20261130);
  const std::string good[] = {kOne, Frame(PullHeader(0), ""), Frame(PullHeader(2, 7, R"(,"subscription":"TagB")"), "")};
  for (int round = 0; round < 20000; round++) {
    std::string bytes = good[random() % 3] + good[random() % 3];
    Damage(random, &bytes);
    end.Send(bytes);
    const auto read = end.Next();
    CHECK(!read.ended);
    end.socket->TakeBack("");
    end.Answers();
  }
}

}  // namespace
}  // namespace millrace::test
