// Topics that were deleted: what is not seen any more stays unseen, what comes after it is seen, whatever happens
// between.
#include "../core/forgotten.h"

#include "../core/store.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {
namespace {

void Fill(Store& store, const std::string& topic, int from, int to) {
  for (int n = from; n < to; n++) CHECK(AppendOne(store, topic, n % 2, std::to_string(n), nullptr, "", "k").ok());
}

// Messages `from` to `to` - 1 and no others, with the numbers that they got.
void CheckSeen(Store& store, const std::string& topic, int from, int to) {
  for (int queue = 0; queue < 2; queue++) {
    std::vector<std::string> expected;
    for (int n = from; n < to; n++)
      if (n % 2 == queue) expected.push_back(std::to_string(n));
    CHECK(Bodies(store, topic, queue) == expected);
    const ConsumeQueue* const known = store.FindQueue(topic, queue);
    CHECK(known != nullptr);
    if (known == nullptr) continue;
    CHECK_EQ(known->min_offset(), (from + 1 - queue) / 2);
    CHECK_EQ(known->max_offset(), (to + 1 - queue) / 2);
  }
}

}  // namespace

TEST("a topic that was deleted is empty, and goes on with its numbers, after closing and after a crash") {
  for (const bool crash : {false, true}) {
    Scratch scratch;
    const StoreOptions options = TinyOptions(scratch / "store");
    auto store = OpenStore(options);
    Fill(*store, "orders", 0, 100);
    Fill(*store, "other", 0, 100);
    CHECK(store->DeleteTopic("orders").ok());
    CHECK(store->DeleteTopic("nobody").ok());
    CHECK_EQ(store->DeleteTopic("../x").code, Code::kMessageIllegal);
    CheckSeen(*store, "orders", 100, 100);
    for (int round = 0; round < 3; round++) {
      if (crash) {
        std::filesystem::copy(scratch / "store", scratch / ("crash" + std::to_string(round)),
                              std::filesystem::copy_options::recursive);
        StoreOptions moved = options;
        moved.root = scratch / ("crash" + std::to_string(round));
        std::filesystem::remove(moved.root + "/lock");
        auto again = OpenStore(moved);
        CheckSeen(*again, "orders", 100, 100 + 10 * round);
        CheckSeen(*again, "other", 0, 100);
      } else {
        CHECK(store->Close().ok());
        StoreOptions read_only = options;
        read_only.read_only = true;
        CheckSeen(*OpenStore(read_only), "orders", 100, 100 + 10 * round);
        store = OpenStore(options);
      }
      CheckSeen(*store, "orders", 100, 100 + 10 * round);
      Fill(*store, "orders", 100 + 10 * round, 110 + 10 * round);
    }
    CHECK(store->DeleteTopic("orders").ok());
    CheckSeen(*store, "orders", 130, 130);
  }
}

TEST("it is forgotten in backups, and when queues are made from the log again") {
  Scratch scratch;
  const StoreOptions options = TinyOptions(scratch / "store");
  auto store = OpenStore(options);
  Fill(*store, "orders", 0, 100);
  CHECK(store->DeleteTopic("orders").ok());
  Fill(*store, "orders", 100, 120);
  Store::BackedUp done;
  CHECK(store->Backup(scratch / "backup", &done).ok());
  StoreOptions copy = options;
  copy.root = scratch / "backup";
  CheckSeen(*OpenStore(copy), "orders", 100, 120);
  CHECK(store->Close().ok());
  std::filesystem::remove_all(scratch / "store/consumequeue");
  store = OpenStore(options);
  CheckSeen(*store, "orders", 100, 120);
}

TEST("retention takes the files of what is forgotten with the log") {
  Scratch scratch;
  const StoreOptions options = TinyOptions(scratch / "store");
  auto store = OpenStore(options);
  Fill(*store, "orders", 0, 200);
  CHECK(store->DeleteTopic("orders").ok());
  Fill(*store, "other", 0, 400);
  CHECK(store->FlushAll().ok());
  const auto files = [&] {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(scratch / "store/consumequeue/orders/0"))
      count += entry.is_regular_file() ? 1 : 0;
    return count;
  };
  const size_t before = files();
  CHECK(before > 3);
  Store::Cleaned cleaned;
  CHECK(store->DeleteBelow(INT64_MAX, &cleaned).ok());
  CHECK(cleaned.segments > 2);
  CHECK_EQ(files(), 1U);
  CheckSeen(*store, "orders", 200, 200);
  CHECK(store->DeleteTopic("gone").ok());
  Forgotten forgotten(PosixFileSystem(), StorePaths::Of(scratch / "store"));
  CHECK(forgotten.Load().ok());
  CHECK_EQ(forgotten.all().size(), 1U);  // the log has nothing of orders
  CHECK(store->Close().ok());
  CheckSeen(*OpenStore(options), "orders", 200, 200);
}

TEST("a log that lost its end hides nothing that is new; a table that is damaged hides nothing") {
  Scratch scratch;
  StorePaths paths = StorePaths::Of(scratch / "store");
  const StoreOptions options = TinyOptions(scratch / "store");
  auto store = OpenStore(options);
  Fill(*store, "orders", 0, 20);
  CHECK(store->Close().ok());
  {
    std::ofstream(paths.abort) << "";  // as if it had not been closed
    Forgotten beyond(PosixFileSystem(), paths);
    CHECK(beyond.Forget("orders", 1 << 30, 0).ok());
  }
  store = OpenStore(options);
  CheckSeen(*store, "orders", 20, 20);
  Fill(*store, "orders", 20, 30);
  CheckSeen(*store, "orders", 20, 30);
  CHECK(store->Close().ok());
  store = OpenStore(options);
  CheckSeen(*store, "orders", 20, 30);
  CHECK(store->Close().ok());
  for (const std::string& bytes : {std::string(), std::string("x"), std::string(40, 'x')}) {
    std::ofstream(paths.forgotten, std::ios::binary | std::ios::trunc) << bytes;
    std::filesystem::remove(paths.queue_table);
    store = OpenStore(options);
    CheckSeen(*store, "orders", 0, 30);
    CHECK(store->Close().ok());
  }
}

TEST("where the table can't be written, the topic is as it was") {
  Scratch scratch;
  const StoreOptions options = TinyOptions(scratch / "store");
  std::shared_ptr<FileSystem> faulty;
  CHECK(MakeFaultyFileSystem(PosixFileSystem(), "rename:errno=28:path=forgotten", &faulty).ok());
  auto store = OpenStore(options, nullptr, faulty.get());
  Fill(*store, "orders", 0, 20);
  CHECK(!store->DeleteTopic("orders").ok());
  CheckSeen(*store, "orders", 0, 20);
  CHECK(store->Close().ok());
  CheckSeen(*OpenStore(options), "orders", 0, 20);
}

}  // namespace millrace::test
