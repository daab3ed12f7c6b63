// Ranges of the log on their way to sockets: the same bytes either way, never one answer's within another's.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <random>
#include <string>
#include <thread>

#include "../core/forwarding_file_system.h"
#include "../core/sender.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {
namespace {

constexpr TransferWay kWays[] = {TransferWay::kChosen, TransferWay::kSendfile, TransferWay::kWritev};

// Two connected sockets with little room between them.
struct Sockets {
  explicit Sockets(bool tcp = false) {
    signal(SIGPIPE, SIG_IGN);  // as Node has it
    int ends[2];
    if (tcp) {
      ConnectTcp(ends);
    } else {
      CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    }
    ours = ends[0];
    theirs = ends[1];
    const int room = 4096;
    setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  }
  ~Sockets() { CloseTheirs(); }
  void CloseTheirs() {
    if (theirs >= 0) close(theirs);
    theirs = -1;
  }
  // Up to `bytes`, at most `piece` at a time; less when the other end is closed.
  std::string Read(size_t bytes, size_t piece = 65536) const {
    std::string got;
    std::string buffer(piece, 0);
    while (got.size() < bytes) {
      const ssize_t n = read(theirs, buffer.data(), std::min(piece, bytes - got.size()));
      if (n <= 0) break;
      got.append(buffer.data(), static_cast<size_t>(n));
    }
    return got;
  }
  static void ConnectTcp(int ends[2]) {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    CHECK(bind(listener, any, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, any, &length) == 0);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(ends[1], any, length) == 0);
    ends[0] = accept(listener, nullptr, nullptr);
    close(listener);
  }
  int ours, theirs;
};

struct Filled {
  explicit Filled(FileSystem* files = PosixFileSystem()) {
    StoreOptions options = TinyOptions(scratch / "store");
    store = OpenStore(options, nullptr, files);
    for (int i = 0; i < 400; i++)
      CHECK(AppendOne(*store, "orders", i % 4, "message " + std::to_string(i) + std::string(200, '.')).ok());
  }
  std::string Log(int64_t from, int64_t to) const {
    std::string all;
    while (from < to) {
      std::vector<uint8_t> bytes;
      CHECK(store->log().Copy(from, to - from, to, &bytes).ok());
      all.append(bytes.begin(), bytes.end());
      from += static_cast<int64_t>(bytes.size());
    }
    return all;
  }
  TransferItem Item(const std::string& head, const std::vector<LogRange>& ranges, TransferWay way) const {
    TransferItem item;
    item.head.assign(head.begin(), head.end());
    item.way = way;
    item.keep = store;
    bool cached = false;
    CHECK(store->LocateRanges(ranges, &item, &cached).ok());
    CHECK(cached);
    return item;
  }
  int Holds() const {
    int holds = 0;
    for (const auto& segment : *store->log().segments()) holds += segment->holds();
    return holds;
  }
  Scratch scratch;
  std::shared_ptr<Store> store;
};

// Waits for the sender's thread.
struct Progress {
  Progress() : sender([this] { told = true; }) {}
  // Adds an item and sends it.
  Status Give(uint64_t target, TransferItem item, bool* out) {
    MILLRACE_RETURN_IF_ERROR(sender.Add(target, std::move(item)));
    return sender.Send(target, out);
  }
  Status Await(int64_t items) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < end) {
      if (told.exchange(false))
        for (const auto& progress : sender.TakeProgress()) {
          done += progress.items;
          if (!progress.status.ok()) return progress.status;
        }
      if (done >= items) return Status::Ok();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return Status::Error(Code::kUnknownError, "no progress");
  }
  std::atomic<bool> told{false};
  int64_t done = 0;
  Sender sender;
};

TEST("heads and ranges leave in order, the same bytes by sendfile and by writev, a byte at a time too") {
  const Filled filled;
  const int64_t end = filled.store->log().published();
  CHECK(filled.store->log().segments()->size() > 2);
  for (const TransferWay way : kWays) {
    const Sockets sockets;
    Progress progress;
    uint64_t target = 0;
    CHECK(progress.sender.Open(sockets.ours, 0, &target).ok());
    std::string expected;
    int64_t queued = 0;
    for (int answer = 0; answer < 6; answer++) {
      const std::string head = "<answer " + std::to_string(answer) + ">";
      const std::vector<LogRange> ranges = {{answer * 100, answer * 100 + 9000}, {9000 * answer, end}, {0, 1}, {5, 5}};
      expected += head;
      for (const auto& [from, to] : ranges) expected += filled.Log(from, to);
      bool out = false;
      CHECK(progress.Give(target, filled.Item(head, ranges, way), &out).ok());
      if (!out) queued++;
    }
    CHECK(queued > 0);
    const std::string first = sockets.Read(300, 1);
    CHECK(first + sockets.Read(expected.size() - first.size(), 777) == expected);
    CHECK(progress.Await(queued).ok());
    CHECK(filled.Holds() == 0);
  }
}

TEST("items that are sent together leave in order, however many calls and turns they take") {
  const Filled filled;
  const int64_t end = filled.store->log().published();
  std::mt19937 random(7);
  for (const bool tcp : {false, true}) {
    const Sockets sockets(tcp);
    Progress progress;
    uint64_t target = 0;
    CHECK(progress.sender.Open(sockets.ours, 0, &target).ok());
    std::string expected, got;
    int64_t queued = 0;
    const auto pick = [&](int64_t below) { return static_cast<int64_t>(random() % static_cast<uint64_t>(below)); };
    for (int batch = 0; batch < 40; batch++) {
      const int64_t items = pick(12);
      for (int64_t item = 0; item < items; item++) {
        const std::string head(static_cast<size_t>(pick(4) == 0 ? 0 : pick(50)), static_cast<char>('a' + item));
        std::vector<LogRange> ranges;
        for (int64_t range = pick(pick(8) == 0 ? 300 : 4); range > 0; range--) {
          const int64_t from = pick(end);
          ranges.push_back({from, from + pick(std::min<int64_t>(end - from, pick(3) == 0 ? 40000 : 300))});
        }
        expected += head;
        for (const auto& [from, to] : ranges) expected += filled.Log(from, to);
        CHECK(progress.sender.Add(target, filled.Item(head, ranges, kWays[pick(3)])).ok());
      }
      bool out = false;
      CHECK(progress.sender.Send(target, &out).ok());
      if (!out) queued += items;
      got += sockets.Read(static_cast<size_t>(pick(2) * pick(static_cast<int64_t>(expected.size() - got.size()) + 1)));
    }
    got += sockets.Read(expected.size() - got.size());
    CHECK(got == expected);
    CHECK(progress.Await(queued).ok());
    CHECK(progress.done == queued);
    CHECK(filled.Holds() == 0);
  }
}

TEST("what fits is with the kernel at once; an item of nothing is out; a file is a target too") {
  const Filled filled;
  for (const TransferWay way : kWays) {
    const Sockets sockets;
    Progress progress;
    uint64_t to_socket = 0, to_file = 0;
    bool out = false;
    CHECK(progress.sender.Open(sockets.ours, 0, &to_socket).ok());
    CHECK(progress.Give(to_socket, {}, &out).ok());
    CHECK(out);
    CHECK(progress.Give(to_socket, filled.Item("head", {{0, 100}}, way), &out).ok());
    CHECK(out);
    CHECK(sockets.Read(104) == "head" + filled.Log(0, 100));

    const std::string path = filled.scratch / "out";
    const int fd = open(path.c_str(), O_CREAT | O_RDWR | O_TRUNC, 0600);
    CHECK(progress.sender.Open(fd, 0, &to_file).ok());
    const int64_t end = filled.store->log().published();
    CHECK(progress.Give(to_file, filled.Item("head", {{0, end}}, way), &out).ok());
    CHECK(out);
    std::string written(static_cast<size_t>(end) + 4, 0);
    CHECK(pread(fd, written.data(), written.size(), 0) == static_cast<ssize_t>(written.size()));
    CHECK(written == "head" + filled.Log(0, end));
  }
}

TEST("a reset in mid-range ends the transfer with a coded error, and nothing is queued behind it") {
  const Filled filled;
  const int64_t end = filled.store->log().published();
  for (const TransferWay way : kWays) {
    Sockets sockets;
    Progress progress;
    uint64_t target = 0;
    bool out = true;
    CHECK(progress.sender.Open(sockets.ours, 0, &target).ok());
    CHECK(progress.Give(target, filled.Item("a", {{0, end}}, way), &out).ok());
    CHECK(!out);
    CHECK(progress.Give(target, filled.Item("b", {{0, 10}}, way), &out).ok());
    CHECK(sockets.Read(3000).size() == 3000);
    sockets.CloseTheirs();
    CHECK(progress.Await(2).code == Code::kTransferFailed);
    CHECK(progress.done == 0);
    CHECK(progress.Give(target, filled.Item("c", {}, way), &out).code == Code::kTransferFailed);
    CHECK(filled.Holds() == 0);
    progress.sender.Close(target);
    CHECK(progress.Give(target, filled.Item("d", {}, way), &out).code == Code::kTransferFailed);
  }
}

TEST("a reader that takes nothing costs the others nothing, and is given up in the end") {
  const Filled filled;
  const int64_t end = filled.store->log().published();
  const Sockets stalled, reading;
  Progress progress;
  uint64_t to_stalled = 0, to_reading = 0;
  bool out = false;
  CHECK(progress.sender.Open(stalled.ours, 300, &to_stalled).ok());
  CHECK(progress.sender.Open(reading.ours, 300, &to_reading).ok());
  CHECK(progress.Give(to_stalled, filled.Item("a", {{0, end}}, TransferWay::kChosen), &out).ok());
  CHECK(!out);
  for (int i = 0; i < 3; i++) {
    CHECK(progress.Give(to_reading, filled.Item("b", {{0, end}}, TransferWay::kChosen), &out).ok());
    CHECK(reading.Read(static_cast<size_t>(end) + 1) == "b" + filled.Log(0, end));
  }
  Status status = progress.Await(3);
  if (status.ok()) status = progress.Await(4);
  CHECK(status.code == Code::kTransferFailed);
  CHECK(status.message().find("taken nothing") != std::string::npos);
}

TEST("a closed target sends no more, and its descriptor's number may be another's at once") {
  const Filled filled;
  const int64_t end = filled.store->log().published();
  const Sockets old;
  Progress progress;
  uint64_t target = 0;
  bool out = true;
  CHECK(progress.sender.Open(old.ours, 0, &target).ok());
  CHECK(progress.Give(target, filled.Item("a", {{0, end}}, TransferWay::kChosen), &out).ok());
  CHECK(!out);
  progress.sender.Close(target);
  const std::string got = old.Read(static_cast<size_t>(end) + 1);  // ends, for the thread closes the descriptor
  CHECK(got == ("a" + filled.Log(0, end)).substr(0, got.size()));
  const Sockets fresh;
  CHECK(progress.sender.Open(fresh.ours, 0, &target).ok());
  CHECK(progress.Give(target, filled.Item("new", {}, TransferWay::kChosen), &out).ok());
  CHECK(out);
  CHECK(fresh.Read(3) == "new");
  for (int i = 0; i < 2000 && filled.Holds() > 0; i++) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(filled.Holds() == 0);
}

TEST("a segment in flight is not deleted, and what was deleted before is refused") {
  const Filled filled;
  const int64_t end = filled.store->log().published(), second = filled.store->log().segments()->at(1)->from();
  CHECK(filled.store->FlushAll().ok());
  const Sockets sockets;
  Progress progress;
  uint64_t target = 0;
  bool out = true;
  CHECK(progress.sender.Open(sockets.ours, 0, &target).ok());
  CHECK(progress.Give(target, filled.Item("a", {{0, end}}, TransferWay::kChosen), &out).ok());
  CHECK(!out);
  Store::Cleaned cleaned;
  CHECK(filled.store->DeleteBelow(second, &cleaned).ok());
  CHECK(cleaned.segments == 0);
  CHECK(sockets.Read(static_cast<size_t>(end) + 1) == "a" + filled.Log(0, end));
  CHECK(progress.Await(1).ok());
  CHECK(filled.store->DeleteBelow(second, &cleaned).ok());
  CHECK(cleaned.segments == 1);
  TransferItem located;
  bool cached = false;
  const Status status = filled.store->LocateRanges({{0, 10}}, &located, &cached);
  CHECK(status.code == Code::kRangeGone);
  CHECK(status.offset() == second);
  for (const LogRange range :
       {LogRange{end - 1, end + 1}, LogRange{second + 5, second}, LogRange{INT64_MAX - 1, INT64_MAX}})
    CHECK(filled.store->LocateRanges({range}, &located, &cached).code == Code::kRangeGone);
}

// A file system whose sendfile is not there, or fails.
class NoSendfile final : public ForwardingFileSystem {
 public:
  explicit NoSendfile(int error) : ForwardingFileSystem(PosixFileSystem()), error_(error) {}
  int SendFile(int, int, int64_t, int64_t, int64_t* sent) override {
    *sent = 0;
    return error_;
  }

 private:
  const int error_;
};

TEST("without sendfile the other way does the same; a page that can't be read is told as such") {
  {
    NoSendfile files(EINVAL);
    const Filled filled(&files);
    const Sockets sockets;
    Progress progress;
    uint64_t target = 0;
    bool out = false;
    CHECK(progress.sender.Open(sockets.ours, 0, &target).ok());
    CHECK(progress.Give(target, filled.Item("a", {{0, 500}}, TransferWay::kSendfile), &out).ok());
    CHECK(sockets.Read(501) == "a" + filled.Log(0, 500));
  }
  for (const int error : {EIO, 0}) {  // 0 and nothing sent: the file ends there
    NoSendfile files(error);
    const Filled filled(&files);
    const Sockets sockets;
    Progress progress;
    uint64_t target = 0;
    bool out = false;
    CHECK(progress.sender.Open(sockets.ours, 0, &target).ok());
    const Status status = progress.Give(target, filled.Item("a", {{0, 500}}, TransferWay::kSendfile), &out);
    CHECK(status.code == Code::kPageUnreadable);
    CHECK(status.offset() == 0);
    CHECK(filled.Holds() == 0);
  }
}

TEST("a segment that is cut while it is sent ends the transfer, whichever way") {
  for (const TransferWay way : kWays) {
    const Filled filled;
    const auto segment = filled.store->log().segments()->at(1);
    const Sockets sockets;
    Progress progress;
    uint64_t target = 0;
    bool out = true;
    CHECK(progress.sender.Open(sockets.ours, 0, &target).ok());
    CHECK(
        progress.Give(target, filled.Item("a", std::vector<LogRange>(20, {segment->from(), segment->end()}), way), &out)
            .ok());
    CHECK(!out);
    CHECK(truncate(segment->path().c_str(), 0) == 0);
    std::thread reader([&] { (void)sockets.Read(1 << 20); });
    const Status status = progress.Await(1);
    CHECK(status.code == Code::kPageUnreadable);
    progress.sender.Close(target);
    progress.sender.Stop();
    reader.join();
  }
}

}  // namespace
}  // namespace millrace::test
