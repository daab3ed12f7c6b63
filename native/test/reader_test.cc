// A store that is opened to be read, while a writer elsewhere has it.
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

}  // namespace

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
