// A log over several directories.
#include <thread>

#include "../core/store.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {
namespace {

// One of them on another file system, where there is one: a rename can't reach it.
class Disks {
 public:
  Disks() {
    char name[] = "/dev/shm/millrace-native-XXXXXX";
    if (access("/dev/shm", W_OK) == 0) other_ = mkdtemp(name);
  }
  ~Disks() {
    if (!other_.empty()) std::filesystem::remove_all(other_);
  }
  std::string Path(char disk) const {
    return disk == 'b' && !other_.empty() ? other_ + "/b/log" : scratch_ / (std::string(1, disk) + "/log");
  }
  StoreOptions Options(const std::string& disks, const std::string& read_only = "") const {
    StoreOptions options = TinyOptions(scratch_ / "store");
    for (const char disk : disks) options.log_directories.push_back(Path(disk));
    for (const char disk : read_only) options.read_only_log_directories.push_back(Path(disk));
    return options;
  }
  // Which disk has each segment, from number `from` on: "abab".
  std::string Layout(const std::string& disks, int64_t from, int64_t count, int64_t segment_bytes = 16384) const {
    std::string layout;
    for (int64_t number = from; number < from + count; number++) {
      std::string on;
      for (const char disk : disks)
        if (std::filesystem::exists(Path(disk) + "/" + SegmentName(number * segment_bytes))) on += disk;
      layout += on.empty() ? "-" : on;
    }
    return layout;
  }
  const Scratch& scratch() const { return scratch_; }

 private:
  Scratch scratch_;
  std::string other_;
};

// Appends until segment `number` holds something.
void FillTo(Store& store, int64_t number) {
  while (store.log().end() <= number * store.log().segment_bytes())
    CHECK(AppendOne(store, "orders", 0, std::string(1000, 'x')).ok());
}

size_t Count(Store& store) { return Bodies(store, "orders", 0).size(); }

}  // namespace

TEST("segments take turns over the directories of a log, on other disks too, and are found in all of them") {
  Disks disks;
  size_t count = 0;
  for (int round = 0; round < 3; round++) {
    auto store = OpenStore(disks.Options("abc"));
    CHECK(store != nullptr);
    CHECK_EQ(Count(*store), count);
    CHECK_EQ(store->recovery().clean_before, round != 2);
    FillTo(*store, 3 * round + 3);
    count = Count(*store);
    CHECK_EQ(disks.Layout("abc", 0, 3 * round + 4),
             std::string("abcabcabcabc").substr(0, static_cast<size_t>(3 * round) + 4));
    if (round != 1) CHECK(store->Close().ok());
  }
  // Nothing is left where segments were born.
  for (const char disk : std::string("abc")) CHECK(std::filesystem::is_empty(disks.Path(disk) + ".millrace"));
  StoreOptions options = disks.Options("abc");
  options.read_only = true;
  auto reader = OpenStore(options);
  CHECK_EQ(Count(*reader), count);
}

TEST("a read-only directory gets no segment, and is read and cleaned like the others") {
  Disks disks;
  auto store = OpenStore(disks.Options("ab"));
  FillTo(*store, 3);
  CHECK(store->Close().ok());
  store = OpenStore(disks.Options("abc", "b"));
  FillTo(*store, 7);
  CHECK_EQ(disks.Layout("abc", 0, 8), "ababacac");
  const size_t count = Count(*store);
  CHECK(store->Close().ok());
  // Named in the other list alone, it is the same.
  store = OpenStore(disks.Options("ac", "b"));
  CHECK_EQ(Count(*store), count);
  Store::Cleaned cleaned;
  CHECK(store->DeleteBelow(4 * 16384, &cleaned).ok());
  CHECK_EQ(disks.Layout("abc", 0, 8), "----acac");
  store.reset();
  std::filesystem::remove_all(disks.Path('b'));
  store = OpenStore(disks.Options("ac", "b"));
  CHECK_EQ(store->log().min_offset(), int64_t{4 * 16384});
  FillTo(*store, 8);
  Status status;
  CHECK(store->Close().ok());
  CHECK(OpenStore(disks.Options("ac", "ac"), &status) == nullptr);
  CHECK_EQ(status.code, Code::kInvalidArgument);
}

TEST("a disk that is nearly full gets no segment, unless all are; the emptiest counts for retention") {
  Disks disks;
  std::shared_ptr<FileSystem> files;
  const std::string full_a = "disk_use:percent=86:path=" + disks.Path('a');
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "disk_use:percent=10;" + full_a, &files).ok());
  StoreOptions options = disks.Options("abc");
  options.retention.by_disk_use = true;
  options.retention.clean_forcibly_above = 0.85;
  {
    auto store = OpenStore(options, nullptr, files.get());
    FillTo(*store, 5);
    CHECK_EQ(disks.Layout("abc", 0, 6), "bcbcbc");
    Store::Cleaned cleaned;
    CHECK(store->Clean(true, &cleaned).ok());
    CHECK_EQ(cleaned.segments, int64_t{0});
    CHECK(store->Close().ok());
  }
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "disk_use:percent=86", &files).ok());
  auto store = OpenStore(options, nullptr, files.get());
  FillTo(*store, 9);
  CHECK_EQ(disks.Layout("abc", 6, 4), "abca");
  Store::Cleaned cleaned;
  CHECK(store->Clean(true, &cleaned).ok());
  CHECK(cleaned.segments > 0);
  CHECK(store->Close().ok());
}

TEST("a segment made ahead for a disk that has filled up since is made anew on the next one") {
  Disks disks;
  std::shared_ptr<FileSystem> files;
  // It is asked for the first segment and for the one that is made ahead; from then on it is full.
  CHECK(MakeFaultyFileSystem(PosixFileSystem(),
                             "disk_use:percent=10;disk_use:percent=99:after=2:path=" + disks.Path('b'), &files)
            .ok());
  StoreOptions options = disks.Options("ab");
  options.segment_bytes = 1 << 20;
  auto store = OpenStore(options, nullptr, files.get());
  for (int i = 0; i < 700; i++) CHECK(AppendOne(*store, "orders", 0, std::string(1000, 'x')).ok());
  const std::string birth = disks.Path('b') + ".millrace";
  for (int i = 0; i < 5000 && std::filesystem::is_empty(birth); i++) {
    CHECK(AppendOne(*store, "orders", 0, "x").ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(!std::filesystem::is_empty(birth));
  FillTo(*store, 1);
  CHECK_EQ(disks.Layout("ab", 0, 2, 1 << 20), "aa");
  CHECK(std::filesystem::is_empty(birth));
  CHECK(store->Close().ok());
}

TEST("one segment in two directories, or a stranger in any, refuses to open") {
  Disks disks;
  auto store = OpenStore(disks.Options("ab"));
  FillTo(*store, 3);
  CHECK(store->Close().ok());
  const std::string twin = disks.Path('b') + "/" + SegmentName(0);
  std::filesystem::copy(disks.Path('a') + "/" + SegmentName(0), twin);
  Status status;
  CHECK(OpenStore(disks.Options("ab"), &status) == nullptr);
  CHECK_EQ(status.code, Code::kForeignFile);
  std::filesystem::rename(twin, disks.Path('b') + "/stranger");
  CHECK(OpenStore(disks.Options("ab"), &status) == nullptr);
  CHECK_EQ(status.code, Code::kForeignFile);
}

TEST("a backup of a log over several directories lies in one") {
  Disks disks;
  auto store = OpenStore(disks.Options("ab"));
  FillTo(*store, 3);
  Store::BackedUp done;
  CHECK(store->Backup(disks.scratch() / "backup", &done).ok());
  FillTo(*store, 5);
  CHECK(store->Backup(disks.scratch() / "backup", &done).ok());
  auto copy = OpenStore(TinyOptions(disks.scratch() / "backup"));
  CHECK_EQ(Count(*copy), Count(*store));
  CHECK_EQ(copy->log().segments()->size(), size_t{6});
}

}  // namespace millrace::test
