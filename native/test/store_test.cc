#include "../core/store.h"

#include <fcntl.h>
#include <sys/mman.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif
#include <unistd.h>

#include <thread>

#include "check.h"
#include "fill.h"
#include "scratch.h"

namespace millrace::test {
TEST("what was appended is pulled, over many segments, queue files and index files") {
  Scratch scratch;
  auto store = OpenStore(TinyOptions(scratch / "store"));
  CHECK(store != nullptr);
  Fill(*store, 0, 500);
  CheckFilled(*store, 500);
  CHECK(store->log().segments()->size() > 3);
  CHECK(store->index().files().size() > 3);
  for (const int i : {0, 250, 499})
    CHECK_EQ(Find(store->index(), "orders", "k" + std::to_string(i), 10, 0, INT64_MAX).size(), size_t{1});
  CHECK(store->Close().ok());
  CHECK(store->Close().ok());
  CHECK(!std::filesystem::exists(scratch / "store/abort"));
}

TEST("a store that was closed opens clean and goes on") {
  Scratch scratch;
  for (int round = 0; round < 3; round++) {
    auto store = OpenStore(TinyOptions(scratch / "store"));
    CHECK(store->recovery().clean_before);
    CHECK(store->recovery().rebuilt_queues.empty());
    CHECK_EQ(store->recovery().index_entries, int64_t{0});
    Fill(*store, round * 100, 100);
    CheckFilled(*store, (round + 1) * 100);
    CHECK(store->Close().ok());
  }
}

TEST("a store whose last index file is full, or nearly, opens and goes on in it or behind it") {
  Scratch scratch;
  const StoreOptions options = TinyOptions(scratch / "store");
  const int a_file = OpenStore(options)->index().sizes().entries - 1;
  int count = 0;
  for (const int more : {a_file - 1, 1, 1, a_file - 1, 2}) {
    auto store = OpenStore(options);
    CHECK(store != nullptr);
    Fill(*store, count, more);
    count += more;
    CHECK(store->Close().ok());
  }
  auto store = OpenStore(options);
  CheckFilled(*store, count);
  CHECK_EQ(store->index().files().size(), size_t{3});
  for (int i = 0; i < count; i++)
    CHECK_EQ(Find(store->index(), "orders", "k" + std::to_string(i), 10, 0, INT64_MAX).size(), size_t{1});
}

TEST("a store that died without closing has everything that was appended") {
  Scratch scratch;
  for (int round = 0; round < 5; round++) {
    auto store = OpenStore(TinyOptions(scratch / "store"));
    CHECK_EQ(store->recovery().clean_before, round == 0);
    CheckFilled(*store, round * 70);
    Fill(*store, round * 70, 70);
    if (round == 2) CHECK(store->FlushAll().ok());
    store.reset();
  }
  auto store = OpenStore(TinyOptions(scratch / "store"));
  CheckFilled(*store, 350);
  for (int i = 0; i < 350; i++)
    CHECK_EQ(Find(store->index(), "orders", "k" + std::to_string(i), 10, 0, INT64_MAX).size(), size_t{1});
}

TEST("a record cut in its middle is dropped and reported, and the tail is zero again") {
  Scratch scratch;
  AppendOutcome last;
  {
    auto store = OpenStore(TinyOptions(scratch / "store"));
    Fill(*store, 0, 40);
    CHECK(AppendOne(*store, "orders", 0, "the last one", &last).ok());
  }
  const std::string segment = scratch / ("store/commitlog/" + SegmentName(last.log_offset / 16384 * 16384));
  Overwrite(segment, last.log_offset % 16384 + 60, std::string(static_cast<size_t>(last.size) - 60, '\0'));
  auto store = OpenStore(TinyOptions(scratch / "store"));
  CHECK_EQ(store->recovery().torn_offset, last.log_offset);
  CHECK(store->recovery().torn_bytes > 0);
  CheckFilled(*store, 40);
  CHECK_EQ(ReadFile(segment).find_first_not_of('\0', static_cast<size_t>(last.log_offset % 16384)), std::string::npos);
  Fill(*store, 40, 4);
  CheckFilled(*store, 44);
}

TEST("a flipped byte before the durable position refuses to open and changes no byte") {
  Scratch scratch;
  {
    auto store = OpenStore(TinyOptions(scratch / "store"));
    Fill(*store, 0, 40);
    CHECK(store->FlushAll().ok());
    Fill(*store, 40, 4);
  }
  const std::string segment = scratch / ("store/commitlog/" + SegmentName(0));
  Overwrite(segment, 90, "!");  // in the first body
  std::string before;
  for (const auto& file : {"commitlog/00000000000000000000", "checkpoint", "millrace/position", "lock"})
    before += ReadFile(scratch / ("store/" + std::string(file)));
  Status status;
  CHECK(OpenStore(TinyOptions(scratch / "store"), &status) == nullptr);
  CHECK_EQ(status.code, Code::kCorruptLog);
  std::string after;
  for (const auto& file : {"commitlog/00000000000000000000", "checkpoint", "millrace/position", "lock"})
    after += ReadFile(scratch / ("store/" + std::string(file)));
  CHECK(before == after);
  StoreOptions cut = TinyOptions(scratch / "store");
  cut.on_corruption = OnCorruption::kCut;
  auto store = OpenStore(cut, &status);
  CHECK(status.ok());
  CHECK(store != nullptr && store->recovery().corrupt);
}

TEST("a queue whose folder is gone is made again from the log") {
  Scratch scratch;
  {
    auto store = OpenStore(TinyOptions(scratch / "store"));
    Fill(*store, 0, 200);
    CHECK(store->Close().ok());
  }
  std::filesystem::remove_all(scratch / "store/consumequeue/orders/2");
  std::filesystem::remove_all(scratch / "store/index");
  auto store = OpenStore(TinyOptions(scratch / "store"));
  CHECK_EQ(store->recovery().rebuilt_queues.size(), size_t{1});
  CheckFilled(*store, 200);
  CHECK_EQ(Find(store->index(), "orders", "k3", 10, 0, INT64_MAX).size(), size_t{1});
}

TEST("a full disk refuses the append and stores nothing; when space returns the store goes on") {
  for (const char* plan : {"reserve:errno=28:after=4:times=2", "write:errno=28:after=3:times=1:path=commitlog",
                           "open:errno=28:after=12:times=1", "set_length:errno=28:after=2:times=1"}) {
    Scratch scratch;
    std::shared_ptr<FileSystem> files;
    CHECK(MakeFaultyFileSystem(PosixFileSystem(), plan, &files).ok());
    StoreOptions options = TinyOptions(scratch / "store");
    options.synchronous_flush = true;  // every record by pwrite
    auto store = OpenStore(options, nullptr, files.get());
    if (!store) continue;
    int stored = 0, refused = 0;
    for (int i = 0; i < 300; i++) {
      const Status status =
          AppendOne(*store, "orders", stored % 4, Body(stored), nullptr, "t", "k" + std::to_string(stored));
      if (status.ok()) {
        stored++;
      } else {
        CHECK(status.code == Code::kDiskFull || status.code == Code::kSegmentCreateFailed);
        refused++;
      }
    }
    CHECK(stored > 250);
    CheckFilled(*store, stored);
    CHECK(store->Close().ok());
    auto again = OpenStore(TinyOptions(scratch / "store"));
    CheckFilled(*again, stored);
    (void)refused;
  }
}

TEST("after a failed sync every append is refused until the store is opened again") {
  Scratch scratch;
  std::shared_ptr<FileSystem> files;
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "sync_data:errno=5:after=1:times=1:path=commitlog", &files).ok());
  StoreOptions options = TinyOptions(scratch / "store");
  options.synchronous_flush = true;
  {
    auto store = OpenStore(options, nullptr, files.get());
    AppendOutcome outcome;
    bool done = false;
    CHECK(AppendOne(*store, "orders", 0, Body(0), &outcome).ok());
    CHECK(store->WaitFlushed(store->log().end(), &done).ok());
    CHECK(AppendOne(*store, "orders", 0, Body(4), &outcome).ok());
    CHECK_EQ(store->WaitFlushed(store->log().end(), &done).code, Code::kSyncFailed);
    CHECK_EQ(AppendOne(*store, "orders", 0, Body(8)).code, Code::kStoreFailed);
    CHECK_EQ(Bodies(*store, "orders", 0).size(), size_t{2});
    CHECK(!store->Close().ok());
    CHECK(std::filesystem::exists(scratch / "store/abort"));
  }
  auto store = OpenStore(options);
  CHECK_EQ(Bodies(*store, "orders", 0).size(), size_t{2});
  CHECK(AppendOne(*store, "orders", 0, Body(8)).ok());
}

TEST("a second open of the same directory meets the lock, in the same process too") {
  Scratch scratch;
  auto store = OpenStore(TinyOptions(scratch / "store"));
  Status status;
  CHECK(OpenStore(TinyOptions(scratch / "store"), &status) == nullptr);
  CHECK_EQ(status.code, Code::kStoreLocked);
  CHECK_EQ(status.offset(), static_cast<int64_t>(getpid()));
  CHECK(store->Close().ok());
  CHECK(OpenStore(TinyOptions(scratch / "store"), &status) != nullptr);
}

TEST("log bytes of one store, in pieces of any length, make the same store elsewhere") {
  Scratch scratch;
  auto master = OpenStore(TinyOptions(scratch / "master"));
  Fill(*master, 0, 300);
  auto replica = OpenStore(TinyOptions(scratch / "replica"));
  const int64_t end = master->log().published();
  for (int64_t at = 0, step = 1; at < end; step = step * 7 % 1000 + 1) {
    std::shared_ptr<Segment> segment;
    CHECK(master->log().Find(at, &segment).ok());
    const int64_t length = std::min({step, segment->end() - at, end - at});
    CHECK(replica->AppendRaw(at, segment->base() + (at - segment->from()), static_cast<size_t>(length)).ok());
    at += length;
  }
  CHECK_EQ(replica->log().published(), end);
  CheckFilled(*replica, 300);
  CHECK_EQ(replica->AppendRaw(0, reinterpret_cast<const uint8_t*>("x"), 1).code, Code::kAppendGap);
}

TEST("several threads append while others read, and every record is whole") {
  Scratch scratch;
  StoreOptions options = TinyOptions(scratch / "store");
  options.segment_bytes = 1 << 20;
  options.checkpoint_interval_ms = 5;
  auto store = OpenStore(options);
  constexpr int kWriters = 2, kEach = 3000;
  std::atomic<int> running{kWriters};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; writer++)
    threads.emplace_back([&, writer] {
      for (int i = 0; i < kEach; i++) {
        AppendOutcome outcome;
        const std::string body = std::to_string(writer) + ":" + std::to_string(i);
        if (!AppendOne(*store, "orders", writer, body, &outcome, "t", "k" + body).ok() || outcome.queue_offset != i)
          std::abort();
        bool done = false;
        if (i % 500 == 0 && !store->WaitFlushed(outcome.log_offset + outcome.size, &done).ok()) std::abort();
      }
      running--;
    });
  for (int reader = 0; reader < 2; reader++)
    threads.emplace_back([&, reader] {
      while (running > 0) {
        const std::vector<std::string> bodies = Bodies(*store, "orders", reader);
        for (size_t i = 0; i < bodies.size(); i++)
          if (bodies[i] != std::to_string(reader) + ":" + std::to_string(i)) std::abort();
        (void)Find(store->index(), "orders", "k0:5", 10, 0, INT64_MAX);
      }
    });
  for (auto& thread : threads) thread.join();
  for (int writer = 0; writer < kWriters; writer++) CHECK_EQ(Bodies(*store, "orders", writer).size(), size_t{kEach});
  CHECK(store->Close().ok());
}

TEST("a page that can't be read marks its mapping and does not end the process") {
  Scratch scratch;
  const std::string path = scratch / "file";
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  int fd = -1;
  CHECK(PosixFileSystem()->Open(path, OpenMode::kCreate, &fd).ok());
  CHECK(PosixFileSystem()->SetLength(fd, static_cast<int64_t>(2 * page)).ok());
  uint8_t* base = nullptr;
  CHECK(PosixFileSystem()->Map(fd, 2 * page, false, &base).ok());
  MappingGuard guard;
  CHECK(guard.Add(base, 2 * page));
  CHECK(PosixFileSystem()->SetLength(fd, static_cast<int64_t>(page)).ok());  // somebody shortens the file
  MappingGuard::PrepareThread();
  CHECK_EQ(static_cast<int>(*static_cast<volatile uint8_t*>(base + page + 1000)), 0);
  CHECK(guard.damaged());
  guard.Remove();
  PosixFileSystem()->Unmap(base, 2 * page);
  PosixFileSystem()->Close(fd);
}

TEST("names that leave the root are refused") {
  Scratch scratch;
  auto store = OpenStore(TinyOptions(scratch / "store"));
  for (const char* name : {"..", "a/b", "", "a.b", "a b", "\xc3\xa4"})
    CHECK_EQ(AppendOne(*store, name, 0, "x").code, Code::kMessageIllegal);
  CHECK(store->Close().ok());
  std::filesystem::create_directory_symlink("/tmp", scratch / "store/consumequeue/evil");
  Status status;
  CHECK(OpenStore(TinyOptions(scratch / "store"), &status) == nullptr);
  CHECK_EQ(status.code, Code::kUnsafePath);
}

#ifdef __linux__
TEST("what of the log is in memory is told apart from what has to be read from the disk") {
  Scratch scratch;
  StoreOptions options = TinyOptions(scratch / "store");
  options.segment_bytes = 4 << 20;
  {
    auto store = OpenStore(options);
    for (int i = 0; i < 100; i++) CHECK(AppendOne(*store, "orders", 0, std::string(40000, 'x')).ok());
    CHECK(store->Close().ok());
  }
  const std::string path = scratch / ("store/commitlog/" + SegmentName(0));
  struct statfs info;
  CHECK_EQ(statfs(path.c_str(), &info), 0);
  if (info.f_type == 0x01021994) return;  // tmpfs: all of it is memory
  const int fd = open(path.c_str(), O_RDWR);
  fsync(fd);
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  CommitLog log(PosixFileSystem(),
                {{{scratch / "store/commitlog", scratch / "store/millrace"}}, options.segment_bytes, true});
  CHECK(log.Load().ok());
  std::vector<LogRange> ranges;
  CHECK(log.InMemory(0, INT64_MAX, &ranges).ok());
  CHECK(ranges.empty());
  posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
  char byte;
  CHECK_EQ(pread(fd, &byte, 1, (2 << 20) + 500000), ssize_t{1});
  close(fd);
  CHECK(log.InMemory(100, INT64_MAX, &ranges).ok());
  CHECK_EQ(ranges.size(), size_t{1});
  CHECK(ranges[0].from <= (2 << 20) + 500000 && ranges[0].to > (2 << 20) + 500000 &&
        ranges[0].to - ranges[0].from <= 1 << 20);
}
#endif

TEST("a record larger than a segment is refused, and one that just fits is taken") {
  Scratch scratch;
  auto store = OpenStore(TinyOptions(scratch / "store"));
  const int overhead = 91 + 6;
  CHECK(AppendOne(*store, "orders", 0, std::string(16384 - kBlankBytes - overhead, 'x')).ok());
  CHECK_EQ(AppendOne(*store, "orders", 0, std::string(16384 - kBlankBytes - overhead + 1, 'x')).code,
           Code::kMessageIllegal);
  CHECK(AppendOne(*store, "orders", 0, std::string(16384 - kBlankBytes - overhead, 'y')).ok());
  CHECK_EQ(Bodies(*store, "orders", 0).size(), size_t{2});
}

}  // namespace millrace::test
