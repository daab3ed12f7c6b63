// Queues with an extension (enableConsumeQueueExt).
#include "../core/store.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {
namespace {

constexpr int64_t kFileBytes = 100;  // four units

StoreOptions ExtensionOptions(const std::string& root) {
  StoreOptions options = TinyOptions(root);
  options.queue_extension = true;
  options.extension_file_bytes = kFileBytes;
  return options;
}

std::string ExtensionFile(const Scratch& scratch, int64_t file) {
  return scratch / ("store/consumequeue_ext/orders/0/" + SegmentName(file * kFileBytes));
}

void Fill(Store& store, int count) {
  for (int i = 0; i < count; i++) CHECK(AppendOne(store, "orders", 0, "message", nullptr, "tag").ok());
}

// Every unit of the queue has the address that follows the one before it, and its extension unit is right. Gives the
// last address as an offset.
int64_t CheckAddresses(Store& store, int64_t from, int64_t first) {
  ConsumeQueue* const queue = store.FindQueue("orders", 0);
  int64_t at = first - kExtensionUnitBytes;
  if (queue == nullptr) return at;
  for (int64_t offset = from; offset < queue->max_offset(); offset++) {
    uint8_t bytes[kUnitBytes];
    int64_t got = 0;
    CHECK(queue->Read(offset, 1, bytes, &got).ok());
    const QueueUnit unit = DecodeUnit(bytes);
    at += kExtensionUnitBytes;
    if (kFileBytes - at % kFileBytes < 24) at = (at / kFileBytes + 1) * kFileBytes;
    CHECK_EQ(unit.tag_code, INT64_MIN + at);
    std::shared_ptr<Segment> segment;
    CHECK(store.log().Find(unit.log_offset, &segment).ok());
    const int64_t place = unit.log_offset - segment->from();
    const RecordView view = CheckRecord(segment->base() + place, segment->bytes() - place, unit.log_offset, true);
    CHECK(queue->extension()->Holds(unit.tag_code, JavaHash("tag"), view.store_timestamp, false));
    CHECK(!queue->extension()->Holds(unit.tag_code, JavaHash("other"), view.store_timestamp, false));
  }
  return at;
}

}  // namespace

TEST("each unit of a queue has the address of its extension unit, over the ends of files, closed or crashed") {
  Scratch scratch;
  for (int round = 0; round < 4; round++) {
    auto store = OpenStore(ExtensionOptions(scratch / "store"));
    CHECK_EQ(store->recovery().rebuilt_queues.size(), size_t{0});
    CheckAddresses(*store, 0, 0);
    Fill(*store, 11);
    CheckAddresses(*store, 0, 0);
    if (round % 2 == 0) {
      CHECK(store->FlushAll().ok());
    } else {
      CHECK(store->Close().ok());
      CHECK_EQ(ReadFile(ExtensionFile(scratch, 0)).size(), static_cast<size_t>(kFileBytes));
      CHECK_EQ(ReadFile(ExtensionFile(scratch, 0)).substr(80, 4), std::string("\xff\xff\0\0", 4));
      for (const auto& entry : std::filesystem::directory_iterator(scratch / "store/millrace"))
        CHECK(entry.path().filename().string().find("extension") == std::string::npos);
    }
  }
}

TEST("extension units that are lost or wrong behind the last checkpoint are put again, once") {
  Scratch scratch;
  for (const bool gone : {false, true}) {
    std::filesystem::remove_all(scratch / "store");
    {
      auto store = OpenStore(ExtensionOptions(scratch / "store"));
      Fill(*store, 6);
      CHECK(store->FlushAll().ok());
      Fill(*store, 6);
      CHECK(store->FindQueue("orders", 0)->WriteOut().ok());
    }
    if (gone) {
      std::filesystem::remove(ExtensionFile(scratch, 2));
    } else {
      Overwrite(ExtensionFile(scratch, 1), 65, "???");  // unit 7
    }
    auto store = OpenStore(ExtensionOptions(scratch / "store"));
    CheckAddresses(*store, 0, 0);
    Fill(*store, 5);
    CheckAddresses(*store, 0, 0);
  }
}

TEST("a queue whose extension is gone goes on, and one that had none gets it from then on") {
  Scratch scratch;
  {
    auto store = OpenStore(ExtensionOptions(scratch / "store"));
    Fill(*store, 6);
    CHECK(store->Close().ok());
  }
  std::filesystem::remove_all(scratch / "store/consumequeue_ext");
  {
    auto store = OpenStore(ExtensionOptions(scratch / "store"));
    CHECK_EQ(Bodies(*store, "orders", 0).size(), size_t{6});
    Fill(*store, 1);
    CheckAddresses(*store, 6, 2 * kFileBytes);
    CHECK(store->Close().ok());
    store = OpenStore(TinyOptions(scratch / "store"));
    CHECK_EQ(Bodies(*store, "orders", 0).size(), size_t{7});
    Fill(*store, 3);  // without
    CHECK(store->Close().ok());
    store = OpenStore(ExtensionOptions(scratch / "store"));
    Fill(*store, 5);
    CheckAddresses(*store, 10, 2 * kFileBytes + kExtensionUnitBytes);
  }
  std::filesystem::remove_all(scratch / "store/consumequeue/orders");
  auto store = OpenStore(ExtensionOptions(scratch / "store"));
  CHECK_EQ(store->recovery().rebuilt_queues.size(), size_t{1});
  CheckAddresses(*store, 0, 0);
}

TEST("files of an extension go with the messages that they belong to") {
  Scratch scratch;
  auto store = OpenStore(ExtensionOptions(scratch / "store"));
  Fill(*store, 500);
  Store::Cleaned cleaned;
  CHECK(store->DeleteBelow(store->log().end() / 2, &cleaned).ok());
  const int64_t first = store->FindQueue("orders", 0)->min_offset();
  CHECK(first > 100);
  const int64_t address = first / 4 * kFileBytes + first % 4 * kExtensionUnitBytes;
  CheckAddresses(*store, first, address);
  CHECK(!std::filesystem::exists(ExtensionFile(scratch, 0)));
  CHECK(!std::filesystem::exists(ExtensionFile(scratch, address / kFileBytes - 2)));
  CHECK(std::filesystem::exists(ExtensionFile(scratch, address / kFileBytes)));
  CHECK(store->Close().ok());
  store = OpenStore(ExtensionOptions(scratch / "store"));
  CheckAddresses(*store, first, address);
  Fill(*store, 9);
  CheckAddresses(*store, first, address);
}

TEST("files that do not belong to an extension, or have another length, refuse to open; an empty last one is removed") {
  Scratch scratch;
  {
    auto store = OpenStore(ExtensionOptions(scratch / "store"));
    Fill(*store, 6);
    CHECK(store->Close().ok());
  }
  std::ofstream(ExtensionFile(scratch, 2)).close();
  CHECK(OpenStore(ExtensionOptions(scratch / "store")) != nullptr);
  CHECK(!std::filesystem::exists(ExtensionFile(scratch, 2)));
  StoreOptions options = ExtensionOptions(scratch / "store");
  Status status;
  options.extension_file_bytes = 1000;
  CHECK(OpenStore(options, &status) == nullptr);
  CHECK_EQ(status.code, Code::kSegmentSizeMismatch);
  CHECK_EQ(status.offset(), kFileBytes);
  options.extension_file_bytes = 0;
  CHECK(OpenStore(options) != nullptr);  // found
  std::filesystem::create_symlink("/etc/passwd", ExtensionFile(scratch, 3));
  CHECK(OpenStore(options, &status) == nullptr);
  CHECK_EQ(status.code, Code::kUnsafePath);
  std::filesystem::remove(ExtensionFile(scratch, 3));
  std::ofstream(scratch / "store/consumequeue_ext/orders/0/stray").close();
  CHECK(OpenStore(options, &status) == nullptr);
  CHECK_EQ(status.code, Code::kForeignFile);
}

TEST("a message has blocks for its extension unit before the log takes it") {
  Scratch scratch;
  std::shared_ptr<FileSystem> files;
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "reserve:errno=28:path=extension-:after=1:times=1", &files).ok());
  auto store = OpenStore(ExtensionOptions(scratch / "store"), nullptr, files.get());
  Fill(*store, 4);
  const int64_t end = store->log().end();
  CHECK_EQ(AppendOne(*store, "orders", 0, "message", nullptr, "tag").code, Code::kDiskFull);
  CHECK_EQ(store->log().end(), end);
  Fill(*store, 10);
  CheckAddresses(*store, 0, 0);
  CHECK(store->Close().ok());
}

}  // namespace millrace::test
