// The files that say how far everything is on disk, while syncs are slow or fail.
#include <chrono>
#include <thread>

#include "../core/store.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {
namespace {

StoreOptions SyncOptions(const std::string& root) {
  StoreOptions options = TinyOptions(root);
  options.synchronous_flush = true;
  return options;
}

std::shared_ptr<FileSystem> Faulty(const std::string& plan) {
  std::shared_ptr<FileSystem> files;
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), plan, &files).ok());
  return files;
}

// What an open would read now.
Position PositionOf(const std::string& root) {
  const StorePaths paths = StorePaths::Of(root);
  Checkpoint checkpoint;
  Position position;
  bool exists = false;
  if (!ReadCheckpoint(PosixFileSystem(), paths, &checkpoint, &exists).ok() ||
      !PositionFile(PosixFileSystem(), paths).Read(checkpoint, &position, &exists).ok() || !exists)
    return {};
  return position;
}

template <typename Condition>
bool Wait(Condition condition) {
  for (int i = 0; i < 30000; i++) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

void Fill(Store& store, int queues, int each) {
  for (int n = 0; n < each; n++)
    for (int queue = 0; queue < queues; queue++)
      CHECK(AppendOne(store, "orders", queue, std::to_string(n), nullptr, "", "k").ok());
}

void CheckFilled(Store& store, int queues, int each) {
  for (int queue = 0; queue < queues; queue++) {
    const std::vector<std::string> bodies = Bodies(store, "orders", queue);
    CHECK_EQ(static_cast<int>(bodies.size()), each);
    for (size_t n = 0; n < bodies.size(); n++) CHECK_EQ(bodies[n], std::to_string(n));
  }
}

void FlushLog(Store& store) {
  bool done = false;
  CHECK(store.WaitFlushed(store.log().end(), &done).ok());
  CHECK(done);
}

}  // namespace

TEST("the position follows each sync of the log, also while a checkpoint waits for its queues") {
  struct Case {
    const char* plan;
    int queues;
  };
  for (const auto& [plan, queues] : {Case{"sync_data:delay=2000:times=1:path=/consumequeue/", 4},
                                     Case{"sync_fs:delay=2000:times=1:path=/consumequeue", 100}}) {
    Scratch scratch;
    const auto files = Faulty(plan);
    const std::string root = scratch / "store";
    auto store = OpenStore(SyncOptions(root), nullptr, files.get());
    Fill(*store, queues, 3);
    const int64_t first_end = store->log().end();
    std::thread checkpoint([&] { CHECK(store->FlushAll().ok()); });
    CHECK(Wait([&] { return store->flusher().flushed() >= first_end; }));
    CHECK(AppendOne(*store, "orders", 0, "3").ok());
    const int64_t end = store->log().end();
    FlushLog(*store);
    // The new sync is written down, and nothing is said yet of the queues.
    CHECK(Wait([&] {
      const Position position = PositionOf(root);
      return position.synced >= end && position.dispatched < first_end;
    }));
    checkpoint.join();
    CHECK(PositionOf(root).synced >= end);
    CHECK_EQ(PositionOf(root).dispatched, first_end);
    CHECK(store->Close().ok());
    CHECK(PositionOf(root).clean);
    CHECK_EQ(PositionOf(root).dispatched, end);
  }
}

TEST("a sync while nothing else happens is written down too") {
  Scratch scratch;
  auto store = OpenStore(SyncOptions(scratch / "store"));
  for (int n = 0; n < 5; n++) {
    Fill(*store, 1, 1);
    FlushLog(*store);
    CHECK(Wait([&] { return PositionOf(scratch / "store").synced >= store->log().end(); }));
  }
}

TEST("where a crash comes between position and checkpoint, the position before it counts") {
  Scratch scratch;
  const StorePaths paths = StorePaths::Of(scratch / "store");
  int64_t synced = 0, dispatched = 0;
  {
    auto store = OpenStore(SyncOptions(scratch / "store"));
    Fill(*store, 4, 10);
    CHECK(store->FlushAll().ok());
    dispatched = store->log().end();
    Fill(*store, 4, 1);
    FlushLog(*store);
    synced = store->log().end();
    CHECK(Wait([&] { return PositionOf(scratch / "store").synced >= synced; }));
    const std::string before = ReadFile(paths.checkpoint);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // another time in the checkpoint
    Fill(*store, 4, 1);
    CHECK(store->FlushAll().ok());
    CHECK(ReadFile(paths.checkpoint) != before);
    Overwrite(paths.checkpoint, 0, before);
  }
  const Position position = PositionOf(scratch / "store");
  CHECK(position.synced >= synced);
  CHECK_EQ(position.dispatched, dispatched);
  auto store = OpenStore(SyncOptions(scratch / "store"));
  CHECK(store->recovery().ours);
  CHECK_EQ(PositionOf(scratch / "store").dispatched, store->log().end());
}

TEST("a checkpoint that can't be written leaves a position that counts") {
  for (const char* plan :
       {"write:errno=5:after=1:times=1:path=store/checkpoint",
        "sync_data:errno=5:after=1:times=1:path=store/checkpoint", "write:errno=5:after=4:times=1:path=/position",
        "rename:errno=5:after=1:times=1:path=/queues"}) {
    Scratch scratch;
    const auto files = Faulty(plan);
    auto store = OpenStore(SyncOptions(scratch / "store"), nullptr, files.get());
    int failed = 0;
    for (int n = 0; n < 6; n++) {
      Fill(*store, 2, 1);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      if (!store->FlushAll().ok()) failed++;
      const Position position = PositionOf(scratch / "store");
      CHECK(position.sequence > 0);
      CHECK(position.synced <= store->flusher().flushed());
    }
    CHECK(failed <= 1);
    CHECK(store->Close().ok());
    CHECK(PositionOf(scratch / "store").clean);
  }
}

TEST("after a failed sync of queues or index no checkpoint is written until an open has put them again") {
  struct Case {
    const char* plan;
    int queues;
  };
  for (const auto& [plan, queues] :
       {Case{"sync_data:errno=5:times=1:path=/consumequeue/", 4},
        Case{"sync_fs:errno=5:times=1:path=/consumequeue", 100}, Case{"sync_data:errno=5:times=1:path=/index/", 4}}) {
    Scratch scratch;
    const std::string root = scratch / "store";
    const StorePaths paths = StorePaths::Of(root);
    const auto files = Faulty(plan);
    {
      auto store = OpenStore(SyncOptions(root), nullptr, files.get());
      Fill(*store, queues, 3);
      FlushLog(*store);
      const std::string checkpoint = ReadFile(paths.checkpoint);
      CHECK_EQ(store->FlushAll().code, Code::kSyncFailed);
      CHECK_EQ(static_cast<int>(store->state()), static_cast<int>(StoreState::kFailed));
      CHECK_EQ(store->FlushAll().code, Code::kSyncFailed);  // the disk would take it now
      CHECK_EQ(AppendOne(*store, "orders", 0, "3").code, Code::kStoreFailed);
      CheckFilled(*store, queues, 3);
      CHECK(!store->Close().ok());
      CHECK(std::filesystem::exists(paths.abort));
      CHECK(ReadFile(paths.checkpoint) == checkpoint);
      CHECK_EQ(PositionOf(root).dispatched, int64_t{0});
      CHECK_EQ(PositionOf(root).synced, store->log().end());
    }
    // Every unit can be read, and is written all the same.
    Status status;
    CHECK(OpenStore(SyncOptions(root), &status, Faulty("write:errno=5:path=/consumequeue/").get()) == nullptr);
    CHECK_EQ(status.code, Code::kIoError);
    // What the kernel dropped may have come back from the disk as it was before.
    Overwrite(paths.queues + "/orders/1/" + SegmentName(0), 20, std::string(20, '\0'));
    auto store = OpenStore(SyncOptions(root));
    CheckFilled(*store, queues, 3);
    CHECK_EQ(Find(store->index(), "orders", "k", 1000, 0, INT64_MAX).size(), static_cast<size_t>(3 * queues));
    CHECK_EQ(PositionOf(root).dispatched, store->log().end());
    CHECK(store->FlushAll().ok());
    CHECK(store->Close().ok());
    CheckFilled(*OpenStore(SyncOptions(root)), queues, 3);
  }
}

TEST("a failed sync of a folder is tried again") {
  struct Case {
    const char* plan;
    int failures;
  };
  // After the first failure of the queues everything is one syncfs.
  for (const auto& [plan, failures] :
       {Case{"sync_dir:errno=5:path=/consumequeue", 1}, Case{"sync_dir:errno=5:times=2:path=/index", 2}}) {
    Scratch scratch;
    const auto files = Faulty(plan);
    auto store = OpenStore(SyncOptions(scratch / "store"), nullptr, files.get());
    Fill(*store, 4, 3);
    for (int n = 0; n < failures; n++) {
      CHECK_EQ(store->FlushAll().code, Code::kIoError);
      CHECK_EQ(PositionOf(scratch / "store").dispatched, int64_t{0});
    }
    CHECK(store->FlushAll().ok());
    CHECK_EQ(PositionOf(scratch / "store").dispatched, store->log().end());
    CHECK(store->Close().ok());
    CheckFilled(*OpenStore(SyncOptions(scratch / "store")), 4, 3);
  }
}

TEST("an index file with an impossible header is named, and made again on demand") {
  for (const auto& [at, bytes] : {std::pair<int64_t, std::string>{36, std::string("\0\0\0\x51", 4)},
                                  {36, "\xff\xff\xff\xff"},
                                  {32, "\x7f\0\0\0"},
                                  {16, "\xff"},
                                  {24, "\x80"}}) {
    Scratch scratch;
    std::string path;
    {
      auto store = OpenStore(TinyOptions(scratch / "store"));
      Fill(*store, 2, 10);
      path = store->index().files().front()->path();
      CHECK(store->Close().ok());
    }
    Overwrite(path, at, bytes);
    const std::string before = ReadFile(path);
    Status status;
    CHECK(OpenStore(TinyOptions(scratch / "store"), &status) == nullptr);
    CHECK_EQ(status.code, Code::kCorruptIndex);
    CHECK_EQ(status.path(), path);
    CHECK(ReadFile(path) == before);
    StoreOptions options = TinyOptions(scratch / "store");
    options.rebuild_index = true;
    auto store = OpenStore(options, &status);
    CHECK(store != nullptr);
    if (store) CHECK_EQ(Find(store->index(), "orders", "k", 100, 0, INT64_MAX).size(), size_t{20});
  }
}

TEST("a file that is no checkpoint is named; a short one is taken as Java takes it") {
  Scratch scratch;
  {
    auto store = OpenStore(TinyOptions(scratch / "store"));
    Fill(*store, 2, 10);
    CHECK(store->Close().ok());
  }
  const std::string path = scratch / "store/checkpoint";
  const auto write = [&](const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; };
  for (const auto& bytes : {std::string(4097, '\0'), std::string(4096, '\xaa'), std::string("\xff")}) {
    write(bytes);
    Status status;
    CHECK(OpenStore(TinyOptions(scratch / "store"), &status) == nullptr);
    CHECK_EQ(status.code, Code::kCorruptCheckpoint);
    CHECK_EQ(status.path(), path);
    CHECK(ReadFile(path) == bytes);
  }
  for (const auto& bytes : {std::string(), std::string(7, '\1')}) {
    write(bytes);
    auto store = OpenStore(TinyOptions(scratch / "store"));
    CHECK(store != nullptr);
    CheckFilled(*store, 2, 10);
    CHECK(store->Close().ok());
  }
  std::filesystem::remove(path);
  CheckFilled(*OpenStore(TinyOptions(scratch / "store")), 2, 10);
}

}  // namespace millrace::test
