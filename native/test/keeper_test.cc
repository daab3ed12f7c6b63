#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "../core/commit_log.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {

namespace {

// What every byte of the log is to be.
uint8_t At(int64_t log_offset) { return static_cast<uint8_t>(1 + static_cast<uint64_t>(log_offset) * 31 % 255); }

struct Pattern final : RecordSource {
  void Encode(size_t, const Placement& placement, uint8_t* out) override {
    for (int64_t i = 0; i < placement.size; i++) out[i] = At(placement.log_offset + i);
  }
};

constexpr int64_t kSegmentBytes = 16 << 20;

std::unique_ptr<CommitLog> OpenLog(FileSystem* files, const Scratch& scratch) {
  for (const char* name : {"log", "work"}) CHECK(files->MakeDirectory(scratch / name).ok());
  auto log = std::make_unique<CommitLog>(
      files, CommitLog::Options{{{scratch / "log", scratch / "work"}}, kSegmentBytes, true, 0});
  CHECK(log->Load().ok() && log->Start(0).ok());
  return log;
}

}  // namespace

TEST("zeros written ahead of the writer never cover a record, however slow they come") {
  const char* seed_text = std::getenv("MILLRACE_SEED");
  const unsigned seed = seed_text != nullptr ? static_cast<unsigned>(std::atoll(seed_text)) : std::random_device{}();
  std::mt19937 random(seed);
  int64_t copied = 0, populated = 0;
  for (const char* plan : {"write:delay=0", "write:delay=5:bytes=300000", "populate:delay=1", "populate:errno=12"}) {
    Scratch scratch;
    std::shared_ptr<FileSystem> files;
    CHECK(MakeFaultyFileSystem(PosixFileSystem(), plan, &files).ok());
    const auto log = OpenLog(files.get(), scratch);
    Pattern records;
    bool poisoned = false;
    std::vector<Placement> placements;
    while (log->end() < 2 * kSegmentBytes) {
      // Single records and many at once, and now and then a rest, after which the keeper's pages are the writer's.
      placements.resize(random() % 4 != 0 ? 1 : 1 + random() % 64);
      for (Placement& placement : placements) placement.size = static_cast<int32_t>(100 + random() % 3000);
      CHECK(log->Place(placements.data(), placements.size(), false).ok());
      CHECK(log->Write(&records, placements.data(), placements.size(), &poisoned).ok());
      if (random() % 8192 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(random() % 150));
    }
    log->Stop();
    int64_t wrong = 0;
    for (const auto& segment : *log->segments()) {
      const int64_t length = std::min(segment->end(), log->end()) - segment->from();
      // A segment ends with a blank record, of which only the head is written.
      const bool last = segment->end() > log->end();
      for (int64_t i = 0; i < length && (last || i < length - 4000); i++)
        wrong += segment->base()[i] != At(segment->from() + i);
    }
    if (wrong != 0) std::printf("  MILLRACE_SEED=%u, %s\n", seed, plan);
    CHECK_EQ(wrong, int64_t{0});
    copied += log->copied_appends();
    populated += log->keeper().populated_bytes();
  }
  CHECK(copied > 0 && populated > 0);
}

TEST("a writer that rests has no segment made ahead, and gets one again when it goes on") {
  Scratch scratch;
  FileSystem* const files = PosixFileSystem();
  CHECK(files->MakeDirectory(scratch / "work").ok());
  CHECK(files->MakeDirectory(scratch / "log").ok());
  const LogDirectories directories(files, {{scratch / "log", scratch / "work"}}, 1);
  SegmentKeeper keeper(files, &directories, kSegmentBytes, SegmentKeeper::kNeverPopulate,
                       std::chrono::milliseconds(20));
  CHECK(keeper.Start().ok());
  std::shared_ptr<Segment> segment;
  CHECK(keeper.Take(0, &segment).ok());
  keeper.Follow(segment, 0);
  const auto ahead = [&] {
    std::vector<DirectoryEntry> entries;
    CHECK(files->List(scratch / "work", &entries).ok());
    return entries.size();
  };
  const auto until = [&](const auto& done, const auto& meanwhile) {
    for (int i = 0; i < 10000 && !done(); i++) {
      meanwhile();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return done();
  };
  int64_t at = kSegmentBytes * 3 / 4;
  for (int round = 0; round < 2; round++) {
    CHECK(until([&] { return ahead() > 0; }, [&] { keeper.Advance(at++); }));
    CHECK(until([&] { return ahead() == 0; }, [] {}));
  }
  keeper.Stop();
}

TEST("what the writer has claimed is not filled, and pages that were left to it count as claimed") {
  Segment segment(PosixFileSystem(), "no file", 0, kSegmentBytes, true);
  CHECK(!segment.Claim(0, 5000));
  CHECK(!segment.BeginFill(4096, 65536));
  CHECK(segment.BeginFill(8192, 65536));
  CHECK(!segment.Claim(5000, 8192));  // does not wait for what lies behind it
  segment.EndFill(true);
  CHECK(segment.Claim(8192, 9000));
  CHECK_EQ(segment.claimed_to(), int64_t{8192});
  CHECK(!segment.Claim(65000, 66000));
  CHECK_EQ(segment.claimed_to(), int64_t{66000});
  CHECK(segment.BeginFill(69632, 131072));
  std::atomic<bool> claimed = false;
  std::thread writer([&] {
    CHECK(!segment.Claim(66000, 70000));  // [66000, 69632) is not populated
    CHECK(segment.Claim(70000, 71000));
    claimed = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(!claimed);
  segment.EndFill(true);
  writer.join();
  segment.Withdraw();
  CHECK(!segment.Populated(70000, 71000));
  CHECK(!segment.BeginFill(131071, 200000));
  CHECK(segment.BeginFill(131072, 200000));
  segment.EndFill(false);
  CHECK(!segment.Claim(140000, 150000));
}

}  // namespace millrace::test
