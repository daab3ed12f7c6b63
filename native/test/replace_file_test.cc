// Small files that are replaced as a whole: whatever the power cut leaves, there is the old one or the new one.
#include "../core/store.h"
#include "check.h"
#include "power_cut_file_system.h"
#include "scratch.h"

namespace millrace::test {
namespace {

std::vector<uint8_t> Version(int number) {
  const std::string text(1000, static_cast<char>('a' + number));
  return {text.begin(), text.end()};
}

// Which version a file holds; -1 where there is none, -2 where it is none of them.
int VersionIn(const std::string& path) {
  std::vector<uint8_t> bytes;
  bool exists = false;
  if (!ReadWhole(PosixFileSystem(), path, 1 << 20, &bytes, &exists).ok() || !exists) return -1;
  const int number = bytes.empty() ? -2 : bytes[0] - 'a';
  return number >= 0 && number < 26 && bytes == Version(number) ? number : -2;
}

}  // namespace

TEST("a file that is replaced is the old one or the new one in every state that a power cut may leave") {
  Scratch scratch;
  std::filesystem::create_directory(scratch / "disk");
  std::atomic<int64_t> done{-1}, begun{-1};
  PowerCutFileSystem files(scratch / "disk", {[&] { return done.load(); }, [&] { return begun.load(); }});
  const auto store = OpenStore(TinyOptions(scratch / "disk/store"), nullptr, &files);
  const int64_t from = files.operations();
  std::set<int64_t> moments;
  for (int64_t i = from; i < from + 60; i++) moments.insert(i);
  files.CutBefore(moments);
  for (int i = 0; i < 6; i++) {
    begun = i;
    CHECK(store->ReplaceFile("config/topics.json", Version(i), true).ok());
    done = i;
  }
  int states = 0;
  for (const auto& cut : files.cuts()) {
    for (uint64_t seed = 0; seed < 12; seed++, states++) {
      const std::string disk = scratch / ("state-" + std::to_string(states));
      cut->Build(disk, seed);
      const int first = VersionIn(disk + "/store/config/topics.json"),
                former = VersionIn(disk + "/store/config/topics.json.bak");
      // As it is read: the former one where the first is missing.
      const int read = first == -1 ? former : first;
      CHECK(first != -2 && former != -2);
      CHECK(read >= cut->acknowledged && read <= cut->begun);
    }
  }
  CHECK(states > 100);
}

TEST("a file that can't be replaced stays as it is, and the next try goes on from there") {
  for (const char* plan :
       {"write:errno=28:path=topics:after=1:times=1", "sync_file:errno=5:path=topics:after=1:times=1",
        "rename:errno=5:path=topics:after=2:times=1", "rename:errno=5:path=topics:after=1:times=1",
        "open:errno=24:path=topics:after=1:times=1"}) {
    Scratch scratch;
    std::shared_ptr<FileSystem> files;
    CHECK(MakeFaultyFileSystem(PosixFileSystem(), plan, &files).ok());
    const auto store = OpenStore(TinyOptions(scratch / "store"), nullptr, files.get());
    const std::string path = scratch / "store/config/topics.json";
    CHECK(store->ReplaceFile("config/topics.json", Version(0), true).ok());
    const Status status = store->ReplaceFile("config/topics.json", Version(1), true);
    CHECK(!status.ok());
    const int first = VersionIn(path);
    CHECK_EQ(first == -1 ? VersionIn(path + ".bak") : first, 0);
    CHECK(store->ReplaceFile("config/topics.json", Version(2), true).ok());
    CHECK_EQ(VersionIn(path), 2);
    CHECK(!std::filesystem::exists(path + ".new"));
  }
}

TEST("no file is replaced through a link, or in a store that takes no writes") {
  Scratch scratch;
  std::filesystem::create_directory(scratch / "outside");
  auto store = OpenStore(TinyOptions(scratch / "store"));
  std::filesystem::create_directory_symlink(scratch / "outside", scratch / "store/config");
  CHECK(store->ReplaceFile("config/topics.json", Version(0), true).code == Code::kUnsafePath);
  CHECK(std::filesystem::is_empty(scratch / "outside"));
  CHECK(store->Close().ok());
  CHECK(store->ReplaceFile("millrace/x.json", Version(0), false).code == Code::kStoreNotOpen);
  StoreOptions options = TinyOptions(scratch / "store");
  options.read_only = true;
  store = OpenStore(options);
  CHECK(store->ReplaceFile("millrace/x.json", Version(0), false).code == Code::kStoreReadOnly);
}

}  // namespace millrace::test
