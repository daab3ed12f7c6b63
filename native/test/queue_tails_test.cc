// Units that are not in their queues' files yet: who writes them, while more are put.
#include <atomic>
#include <thread>

#include "../core/forwarding_file_system.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {

namespace {

void Put(ConsumeQueue& queue, int count) {
  for (int i = 0; i < count; i++) {
    CHECK(queue.Prepare(1).ok());
    queue.Put({1000 + queue.max_offset(), 100, 7});
  }
}

// The units are those of Put(), by the queue as it is and by its files alone.
void CheckUnits(const ConsumeQueue& queue, ConsumeQueue& seen, int64_t count) {
  CHECK_EQ(queue.max_offset(), count);
  for (int64_t offset = 0; offset < count; offset++) {
    QueueUnit unit{};
    bool there = false;
    CHECK(seen.ReadUnit(offset, &unit, &there).ok());
    CHECK_EQ(unit.log_offset, 1000 + offset);
  }
}

struct Queues {
  Scratch scratch;
  std::unique_ptr<ConsumeQueues> queues;
  explicit Queues(FileSystem* files = PosixFileSystem()) {
    auto store = OpenStore(TinyOptions(scratch / "store"));  // for its folders
    CHECK(store->Close().ok());
    ConsumeQueues::Options options;
    options.paths = StorePaths::Of(scratch / "store");
    options.file_bytes = 400;
    queues = std::make_unique<ConsumeQueues>(files, options);
    CHECK(queues->Start().ok());
  }
};

// Files can't be written for a while.
class FullDisk final : public ForwardingFileSystem {
 public:
  FullDisk() : ForwardingFileSystem(PosixFileSystem()) {}
  Status Write(int fd, const void* data, size_t bytes, int64_t offset) override {
    return full ? Status::Error(Code::kDiskFull, "full", "") : ForwardingFileSystem::Write(fd, data, bytes, offset);
  }
  std::atomic<bool> full{false};
};

}  // namespace

TEST("a tail that is written while units are put loses none of them, however many write it") {
  Queues made;
  ConsumeQueue& queue = *made.queues->GetOrMake("orders", 0);
  ConsumeQueue::TakenTail one, other;
  CHECK(!queue.TakeTail(&one));  // nothing
  Put(queue, 3);
  CHECK(!queue.TakeTail(&one));  // no file in its place
  CHECK(queue.Settle().ok());
  Put(queue, 4);
  CHECK(queue.TakeTail(&one));
  Put(queue, 2);
  CHECK(queue.TakeTail(&other));
  Put(queue, 1);
  // The shorter one comes last, first, and not at all.
  for (const auto* tail : {&other, &one}) CHECK(queue.LetTailGo(*tail, queue.WriteTail(*tail)).ok());
  CheckUnits(queue, queue, 10);
  CHECK(queue.TakeTail(&one));
  CHECK_EQ(one.units.size(), size_t{kUnitBytes});
  Put(queue, 2);
  CHECK(queue.TakeTail(&other));
  for (const auto* tail : {&one, &other}) CHECK(queue.LetTailGo(*tail, queue.WriteTail(*tail)).ok());
  CHECK_EQ(made.queues->tail_bytes(), 0);
  // Over the file's end meanwhile: who puts the units has written them.
  Put(queue, 5);
  CHECK(queue.TakeTail(&one));
  Put(queue, 10);
  CHECK(queue.LetTailGo(one, Status::Error(Code::kIoError, "the file is gone", "")).ok());
  CheckUnits(queue, queue, 27);
  CHECK(queue.Settle().ok());
  CheckUnits(queue, queue, 27);
}

TEST("a tail that can't be written stays, and is tried again") {
  FullDisk files;
  Queues made(&files);
  ConsumeQueue& queue = *made.queues->GetOrMake("orders", 0);
  Put(queue, 3);
  CHECK(queue.Settle().ok());
  CHECK_EQ(made.queues->TakeDirty().size(), 1U);
  Put(queue, 3);
  CHECK_EQ(made.queues->TakeDirty().size(), 1U);
  ConsumeQueue::TakenTail tail;
  files.full = true;
  CHECK(queue.TakeTail(&tail));
  CHECK_EQ(queue.LetTailGo(tail, queue.WriteTail(tail)).code, Code::kDiskFull);
  CheckUnits(queue, queue, 6);
  files.full = false;
  CHECK_EQ(made.queues->Dirty().size(), 1U);
  CHECK(queue.TakeTail(&tail));
  CHECK(queue.LetTailGo(tail, queue.WriteTail(tail)).ok());
  CheckUnits(queue, queue, 6);
}

TEST("queues that are written by the housekeeper and by checkpoints beside appends keep every unit") {
  Scratch scratch;
  constexpr int kQueues = 300, kMessages = 30000;
  StoreOptions options = TinyOptions(scratch / "store");
  options.segment_bytes = 1 << 20;
  options.tail_budget_bytes = 64 << 10;
  auto store = OpenStore(options);
  std::atomic<bool> done{false};
  std::thread checkpoints([&] {
    while (!done) CHECK(store->FlushAll().ok());
  });
  for (int i = 0; i < kMessages; i++) CHECK(AppendOne(*store, "orders", i % kQueues, std::to_string(i)).ok());
  done = true;
  checkpoints.join();
  for (int round = 0; round < 2; round++) {
    for (int queue = 0; queue < kQueues; queue++) {
      const std::vector<std::string> bodies = Bodies(*store, "orders", queue);
      CHECK_EQ(bodies.size(), size_t{kMessages / kQueues});
      for (size_t n = 0; n < bodies.size(); n++)
        CHECK_EQ(bodies[n], std::to_string(n * kQueues + static_cast<size_t>(queue)));
    }
    CHECK(store->Close().ok());
    store = OpenStore(options);
    CHECK(store->recovery().rebuilt_queues.empty());
  }
}

}  // namespace millrace::test
