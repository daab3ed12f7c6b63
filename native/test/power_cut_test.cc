// Stores whose power is cut: at random moments of random work, recovery included, and with random states of the disk
// afterwards. Whatever was acknowledged is there, in order and byte for byte, in log, queues and index; what is there
// besides is the beginning of what came after it.
//
//   MILLRACE_POWER_CUTS=N   so many states of disks (1000)
//   MILLRACE_SEED=S         the first run is S's; the others count on from there
#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "../core/canary.h"
#include "../core/store.h"
#include "check.h"
#include "compare_sent.h"
#include "power_cut_file_system.h"
#include "scratch.h"

namespace millrace::test {
namespace {

constexpr int kGenerations = 3;  // a store is cut, recovers, goes on and is cut again

// In memory where the system has a place for it: hundreds of stores are made and thrown away.
class Folder {
 public:
  Folder() {
    const bool memory = access("/dev/shm", W_OK) == 0;
    path_ = std::string(memory ? "/dev/shm" : "/tmp") + "/millrace-native-XXXXXX";
    path_ = mkdtemp(path_.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A run: one store, worked on, cut, recovered, worked on again.
class Run {
 public:
  Run(uint64_t seed, PowerCutFileSystem::Lie lie) : seed_(seed), lie_(lie), random_(seed) {
    const auto pick = [&](auto... values) {
      const int64_t all[] = {values...};
      return all[random_() % (sizeof...(values))];
    };
    options_.segment_bytes = pick(16384, 32768, 65536);
    options_.queue_file_bytes = pick(400, 2000, 12000);
    options_.index_slots = static_cast<int32_t>(pick(20, 500));
    options_.index_entries = 4 * options_.index_slots;
    options_.store_host = LocalHost();
    options_.synchronous_flush = lie != PowerCutFileSystem::Lie::kNone || random_() % 2 == 0;
    options_.multi_dispatch = options_.lmq = random_() % 2 == 0;
    options_.queue_extension = random_() % 3 == 0;
    options_.extension_file_bytes = pick(100, 1000, 20000);
    options_.flush.interval_ms = 2;
    options_.flush.least_pages = 1;
    several_ = random_() % 4 == 0;
    topics_ = static_cast<int>(pick(1, 3));
    queues_ = static_cast<int>(pick(1, 2, 4));
    max_body_ = static_cast<int>(pick(40, 400, 3000));
    max_properties_ = static_cast<int>(pick(0, 100, 2000));
  }

  // How many states were looked at; stops at the first that is wrong.
  int states() const { return states_; }
  const std::string& failure() const { return failure_; }
  const std::string& failure_place() const { return failure_place_; }

  void Go(int most_states) {
    std::filesystem::create_directory(scratch_ / "0");
    size_t held = 0;  // messages that the disk is known to hold
    for (int generation = 0; generation < kGenerations && failure_.empty() && states_ < most_states; generation++) {
      const std::string directory = scratch_ / std::to_string(generation);
      acknowledged_ = held == 0 ? 0 : EndOf(held - 1);
      begun_ = static_cast<int64_t>(held);
      PowerCutFileSystem files(directory, {[this] { return Acknowledged(); }, [this] { return begun_.load(); }}, lie_);
      files.CutBefore(Moments(generation));
      if (!Work(&files, directory + "/store", held)) return;
      const auto cuts = files.cuts();
      for (const auto& cut : cuts)
        for (int i = 0; i < 2 && failure_.empty() && states_ < most_states; i++) Judge(*cut, generation, random_());
      if (!failure_.empty() || cuts.empty()) return;
      const PowerCut& cut = *cuts[random_() % cuts.size()];
      const uint64_t state = random_();
      if (!Judge(cut, generation, state, &held)) return;
      cut.Build(scratch_ / std::to_string(generation + 1), state);
      sent_.resize(held);
    }
  }

 private:
  StoreOptions At(const std::string& root, StoreOptions options) const {
    options.root = root;
    options.log_directories.clear();
    if (several_) options.log_directories = {root + "-a/log", root + "-b/log"};
    return options;
  }

  int64_t EndOf(size_t i) const { return sent_[i].log_offset + static_cast<int64_t>(sent_[i].record.size()); }

  int64_t Acknowledged() {
    Store* const store = store_;
    return store != nullptr ? std::max(acknowledged_.load(), store->flusher().flushed()) : acknowledged_.load();
  }

  std::set<int64_t> Moments(int generation) {
    std::set<int64_t> moments;
    for (int i = 0; i < 4; i++) moments.insert(static_cast<int64_t>(random_() % 300));
    for (int i = 0; i < 8 && generation > 0; i++) moments.insert(static_cast<int64_t>(random_() % 80));  // recovery
    return moments;
  }

  bool Fail(std::string what, std::string place) {
    failure_ = std::move(what);
    failure_place_ = "seed " + std::to_string(seed_) + ": " + std::move(place);
    return false;
  }

  // Opens the store, appends for a while, and leaves it in one way or the other.
  bool Work(PowerCutFileSystem* files, const std::string& root, size_t held) {
    options_ = At(root, options_);
    Status status;
    std::shared_ptr<Store> store = OpenStore(options_, &status, files);
    if (!store) return Fail(status.message() + " " + status.path(), "open of " + root);
    size_t count = 0;
    const std::string wrong = Compare(*store, sent_, held, held, deleted_, &count);
    if (!wrong.empty()) return Fail(wrong, "after open of " + root);
    store_ = store.get();
    const int steps = 20 + static_cast<int>(random_() % 60);
    for (int step = 0; step < steps; step++) {
      if (!Append(*store, random_() % 4 == 0 ? 1 + random_() % 12 : 1)) return Fail("an append failed", root);
      if (random_() % 4 == 0) files->Observe();
      bool done = false;
      if (options_.synchronous_flush ? random_() % 4 != 0 : random_() % 12 == 0) {
        if (!store->WaitFlushed(store->log().end(), &done).ok() || !done) return Fail("a flush failed", root);
      }
      if (random_() % 25 == 0 && !store->FlushAll().ok()) return Fail("a checkpoint failed", root);
      if (random_() % 20 == 0 && !Delete(*store)) return Fail("a deletion failed", root);
      if (random_() % 40 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(45));  // the housekeeper's turn
      if (random_() % 20 == 0) files->CutNow();
    }
    files->CutNow();
    if (random_() % 3 == 0) {
      const Status closed = store->Close();
      if (!closed.ok()) return Fail(closed.message(), "close of " + root);
      acknowledged_ = store->log().end();
      files->CutNow();
    }
    store_ = nullptr;
    return true;
  }

  bool Delete(Store& store) {
    Store::Cleaned cleaned;
    const bool ok = store.DeleteBelow(static_cast<int64_t>(random_() % (store.log().end() + 1)), &cleaned).ok();
    deleted_ = std::max(deleted_, store.log().min_offset());
    return ok;
  }

  bool Append(Store& store, size_t count) {
    const Host host = LocalHost();
    std::vector<std::string> texts(count * 5);
    std::vector<MessageFields> messages(count);
    std::vector<ConsumeQueue*> queues(count);
    std::vector<AppendOutcome> outcomes(count);
    for (size_t i = 0; i < count; i++) {
      const std::string number = std::to_string(number_++);
      std::string* const text = &texts[i * 5];
      text[0] = "topic-" + std::to_string(random_() % topics_);
      text[1] = "message " + number + " ";
      text[1].resize(random_() % max_body_, static_cast<char>('a' + random_() % 26));
      if (random_() % 2 == 0) text[2] = "tag" + std::to_string(random_() % 5);
      if (random_() % 2 == 0) text[3] = "key" + number;
      if (max_properties_ > 0)
        text[4] =
            "note\x01" + number + std::string(random_() % max_properties_, static_cast<char>('A' + random_() % 26));
      if (options_.multi_dispatch && random_() % 3 == 0) {
        if (!text[4].empty()) text[4] += kPropertyEnd;
        text[4] += std::string("INNER_MULTI_DISPATCH") + kNameEnd;
        for (uint64_t names = 1 + random_() % 3, n = 0; n < names; n++)
          text[4] += (n == 0 ? "" : ",") +
                     (random_() % 3 == 0 ? "topic-" : std::string(random_() % 2 == 0 ? "%LMQ%" : "side-")) +
                     std::to_string(random_() % topics_);
      }
      messages[i].topic = text[0];
      messages[i].body = text[1];
      messages[i].tags = text[2];
      messages[i].keys = text[3];
      messages[i].properties = text[4];
      messages[i].queue_id = static_cast<int32_t>(random_() % queues_);
      messages[i].born_timestamp = 1700000000000;
      messages[i].born_host = messages[i].store_host = &host;
      if (!store.Queue(text[0], messages[i].queue_id, &queues[i]).ok()) return false;
    }
    AppendMode mode;
    mode.all_or_nothing = true;
    begun_ += static_cast<int64_t>(count);
    if (!store.Append(&buffer_, messages.data(), queues.data(), count, mode, outcomes.data()).ok()) return false;
    for (const AppendOutcome& outcome : outcomes) {
      std::shared_ptr<Segment> segment;
      if (!store.log().Find(outcome.log_offset, &segment).ok()) return false;
      Sent sent{outcome.log_offset, outcome.queue_offset, std::string(static_cast<size_t>(outcome.size), '\0')};
      CHECK(segment->CopyOut(outcome.log_offset - segment->from(), sent.record.data(), sent.record.size()).ok());
      sent_.push_back(std::move(sent));
    }
    return true;
  }

  // Opens one state of the disk behind a cut, as a machine would after it.
  bool Judge(const PowerCut& cut, int generation, uint64_t state, size_t* count = nullptr) {
    states_++;
    const std::string place = "generation " + std::to_string(generation) + ", cut before operation " +
                              std::to_string(cut.operation) + ", state " + std::to_string(state);
    const std::string directory = scratch_ / "state";
    std::filesystem::remove_all(directory);
    cut.Build(directory, state);
    size_t least = 0, held = 0;
    while (least < sent_.size() && EndOf(least) <= cut.acknowledged) least++;
    const StoreOptions options = At(directory + "/store", options_);
    Status status;
    PowerCutFileSystem files(directory, {});  // real files, without the wait for real syncs
    std::shared_ptr<Store> store = OpenStore(options, &status, &files);
    std::string wrong = store ? Compare(*store, sent_, least, static_cast<size_t>(cut.begun), deleted_, &held)
                              : "open fails: " + status.message() + " " + status.path();
    if (count != nullptr) *count = held;
    if (wrong.empty() && state % 4 == 0) {  // it goes on, and once closed it is whole
      std::vector<Sent> sent(sent_.begin(), sent_.begin() + static_cast<ptrdiff_t>(held));
      const int64_t begun = begun_;
      sent.swap(sent_);
      if (!Append(*store, 3)) wrong = "an append after recovery failed";
      if (wrong.empty() && !store->Close().ok()) wrong = "close after recovery failed";
      store.reset();
      if (wrong.empty()) store = OpenStore(options, &status, &files);
      if (wrong.empty() && !store) wrong = "open after close fails: " + status.message();
      if (wrong.empty() && store->recovery().torn_offset >= 0) wrong = "a closed store was torn";
      if (wrong.empty()) wrong = Compare(*store, sent_, sent_.size(), sent_.size(), deleted_, &held);
      if (!wrong.empty()) wrong = "going on: " + wrong;
      sent.swap(sent_);
      begun_ = begun;
    }
    if (wrong.empty()) return true;
    if (lie_ == PowerCutFileSystem::Lie::kNone && Sings(Canary::kNone)) {
      const std::string kept = "/tmp/millrace-power-cut-" + std::to_string(seed_);
      store.reset();
      std::filesystem::remove_all(kept);
      cut.Build(kept, state);
      std::printf("  the disk is kept in %s; flush %s\n", kept.c_str(), options_.synchronous_flush ? "sync" : "async");
    }
    return Fail(wrong, place);
  }

  const uint64_t seed_;
  const PowerCutFileSystem::Lie lie_;
  std::mt19937_64 random_;
  Folder scratch_;
  StoreOptions options_;
  int topics_, queues_, max_body_, max_properties_;
  bool several_;  // directories of the log
  AppendBuffer buffer_;
  std::atomic<Store*> store_{nullptr};  // while it is worked on; read by its own threads
  std::vector<Sent> sent_;
  int64_t number_ = 0;
  int64_t deleted_ = 0;  // no segment that lies behind it was
  std::atomic<int64_t> acknowledged_{0}, begun_{0};
  int states_ = 0;
  std::string failure_, failure_place_;
};

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == 0 ? otherwise : std::strtoull(text, nullptr, 10);
}

// Whether any of so many runs fails.
bool Noticed(PowerCutFileSystem::Lie lie, uint64_t runs) {
  for (uint64_t seed = 1; seed <= runs; seed++) {
    Run run(seed, lie);
    run.Go(60);
    if (!run.failure().empty()) return true;
  }
  return false;
}

// Two messages, of which the second meets a sync that fails; the store opens again, and has both; then the power is
// cut. How many are there in the worst of the states.
int64_t LeastKeptBehindFailedSync() {
  Folder scratch;
  std::filesystem::create_directory(scratch / "0");
  const auto none = [] { return int64_t{0}; };
  PowerCutFileSystem files(scratch / "0", {none, none});
  StoreOptions options = TinyOptions(scratch / "0" + "/store");
  options.synchronous_flush = true;
  std::shared_ptr<Store> store = OpenStore(options, nullptr, &files);
  const auto append = [&store](int number) {
    CHECK(AppendOne(*store, "orders", 0, std::to_string(number)).ok());
    bool done = false;
    return store->WaitFlushed(store->log().end(), &done).ok() && done;
  };
  CHECK(append(0));
  files.FailNextSync();
  CHECK(!append(1));
  CHECK(!store->Close().ok());
  store = OpenStore(options, nullptr, &files);
  files.CutNow();
  CHECK(store->Close().ok());
  int64_t least = INT64_MAX;
  for (uint64_t seed = 0; seed < 16; seed++) {
    const std::string directory = scratch / ("state-" + std::to_string(seed));
    files.cuts().back()->Build(directory, seed);
    options.root = directory + "/store";
    const std::shared_ptr<Store> after = OpenStore(options);
    ConsumeQueue* queue = nullptr;
    const bool opens = after && after->Queue("orders", 0, &queue).ok();
    least = std::min(least, opens ? queue->max_offset() : -1);
    if (after) CHECK(after->Close().ok());
  }
  return least;
}

uint64_t FirstSeed() { return Setting("MILLRACE_SEED", std::random_device()() % 1000000000); }

}  // namespace

TEST("after a power cut everything acknowledged is there, and nothing that was not sent") {
  const int wanted = static_cast<int>(Setting("MILLRACE_POWER_CUTS", 1000));
  uint64_t seed = FirstSeed();
  std::printf("  %d states from MILLRACE_SEED=%llu on\n", wanted, static_cast<unsigned long long>(seed));
  for (int states = 0, failed = 0; states < wanted && failed < 5; seed++) {
    Run run(seed, PowerCutFileSystem::Lie::kNone);
    run.Go(wanted - states);
    states += std::max(1, run.states());
    if (run.failure().empty()) continue;
    failed++;
    Fail(__FILE__, __LINE__, run.failure_place() + ": " + run.failure());
  }
}

// The simulation must see what it is there for.
TEST("a sync of a file or of a folder that only says so is noticed after a power cut") {
  for (const auto lie : {PowerCutFileSystem::Lie::kSyncData, PowerCutFileSystem::Lie::kSyncDirectory})
    CHECK(Noticed(lie, 5));
}

TEST("a store that is broken on purpose is noticed after a power cut") {
  for (const Canary broken :
       {Canary::kNoDirectorySync, Canary::kAcknowledgeBeforeSync, Canary::kCheckpointBeforeQueues, Canary::kNoCrc}) {
    canary = broken;
    const bool noticed = Noticed(PowerCutFileSystem::Lie::kNone, 40);
    if (!noticed) Fail(__FILE__, __LINE__, "canary " + std::to_string(static_cast<int>(broken)) + " is not noticed");
  }
  canary = Canary::kNone;
}

TEST("what a failed sync left clean in memory and off the disk survives a power cut behind the next open") {
  CHECK_EQ(LeastKeptBehindFailedSync(), 2);
  canary = Canary::kNoSyncAfterRecovery;
  CHECK(LeastKeptBehindFailedSync() < 2);
  canary = Canary::kNone;
}

}  // namespace millrace::test
