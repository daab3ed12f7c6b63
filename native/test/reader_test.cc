// A store that is opened to be read, while a writer elsewhere has it; and what those see who read what is being
// written.
#include <atomic>
#include <thread>

#include "../core/canary.h"
#include "../core/forwarding_file_system.h"
#include "check.h"
#include "fill.h"
#include "scratch.h"

namespace millrace::test {
namespace {

// A writer elsewhere removes a file just before it is opened here.
class Vanishing final : public ForwardingFileSystem {
 public:
  explicit Vanishing(std::string path) : ForwardingFileSystem(PosixFileSystem()), path_(std::move(path)) {}
  Status Open(const std::string& path, OpenMode mode, int* fd) override {
    if (path == path_) CHECK(Unlink(path).ok());
    return ForwardingFileSystem::Open(path, mode, fd);
  }

 private:
  const std::string path_;
};

// Whether somebody who looks at what is published finds anything but whole records, while `count` are appended.
bool FoundInPart(Store& store, int count) {
  std::atomic<bool> writes{true}, in_part{false};
  std::thread reader([&] {
    for (int64_t at = 0; writes && !in_part;) {
      const int64_t end = store.log().published();
      while (at < end && !in_part) {
        const auto segment = CommitLog::FindIn(*store.log().segments(), at, store.log().segment_bytes());
        const int64_t in_file = segment ? at - segment->from() : 0;
        RecordView view;
        if (segment) view = CheckRecord(segment->base() + in_file, segment->bytes() - in_file, at, true);
        if (view.found == Found::kBlank) {
          at = segment->end();
        } else if (view.found == Found::kRecord) {
          at += view.size;
        } else {
          in_part = true;
        }
      }
    }
  });
  const std::string body(3000, 'x');
  for (int i = 0; i < count && !in_part; i++) CHECK(AppendOne(store, "orders", i % 4, body).ok());
  writes = false;
  reader.join();
  return in_part;
}

}  // namespace

TEST("who reads while others append sees whole records") {
  for (const Canary broken : {Canary::kNone, Canary::kPublishBeforeBody}) {
#ifdef __SANITIZE_THREAD__
    if (broken != Canary::kNone) continue;  // it ends the process at the race, as it should
#endif
    Scratch scratch;
    StoreOptions options = TinyOptions(scratch / "store");
    options.segment_bytes = 1 << 20;
    auto store = OpenStore(options);
    canary = broken;
    const bool whole = broken == Canary::kNone;
    CHECK_EQ(FoundInPart(*store, whole ? 5000 : 1000000), !whole);
    canary = Canary::kNone;
  }
}

TEST("a reader of another process sees what was appended before and after it opened") {
  Scratch scratch;
  auto store = OpenStore(TinyOptions(scratch / "store"));
  Fill(*store, 0, 100);
  StoreOptions read_only = TinyOptions(scratch / "store");
  read_only.read_only = true;
  auto reader = OpenStore(read_only);
  CheckFilled(*reader, 100);
  Fill(*store, 100, 200);
  CHECK(reader->Refresh().ok());
  CheckFilled(*reader, 300);
  CHECK_EQ(AppendOne(*reader, "orders", 0, "no").code, Code::kStoreReadOnly);
}

TEST("a reader that opens while files are removed sees the rest") {
  Scratch scratch;
  auto store = OpenStore(TinyOptions(scratch / "store"));
  Fill(*store, 0, 300);
  StoreOptions read_only = TinyOptions(scratch / "store");
  read_only.read_only = true;
  for (const std::string& path : {store->index().files().front()->path(), store->log().segments()->front()->path()}) {
    Vanishing files(path);
    Status status;
    auto reader = OpenStore(read_only, &status, &files);
    CHECK_EQ(status.message(), "");
    CHECK(reader != nullptr);
    if (!reader) continue;
    CHECK_EQ(reader->log().published(), store->log().published());
    CHECK_EQ(Bodies(*reader, "orders", 3).back(), Body(299));
  }
}

}  // namespace millrace::test
