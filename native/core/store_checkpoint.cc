// Store: the checkpoint, and the thread that sees when one is due.
#include <algorithm>

#include "canary.h"
#include "platform.h"
#include "store.h"
#include "thread.h"

namespace millrace {

namespace {
constexpr auto kHousekeeperLook = std::chrono::seconds(1);
constexpr size_t kManyQueues = 1000;
// A checkpoint of many queues takes long: the next one that a full segment asks for comes so many times as long after
// it.
constexpr int kCheckpointRest = 4;
}  // namespace

// Log, queue tails, queue files and index on disk; then, and only then, the files that say so.
Status Store::WriteCheckpoints(bool closing) {
  std::lock_guard checkpoint_lock(checkpoint_mutex_);
  if (!closing) MILLRACE_RETURN_IF_ERROR(CheckOpen());
  if (flusher_.failed()) return flusher_.failure();
  int64_t end = 0, timestamp = 0;
  std::vector<ConsumeQueue*> dirty;
  {
    std::lock_guard lock(append_mutex_);
    end = raw_dispatched_;
    timestamp = last_timestamp_.load(std::memory_order_relaxed);
    dirty = queues_.TakeDirty();
  }
  // Before the queues: what waits for the disk does not depend on room for their units.
  bool done = false;
  Status status = flusher_.SyncTo(end, INT32_MAX, &done);
  // Of many queues the disk has the first half while the second is written.
  Thread early;
  Status early_sync;
  const size_t half = dirty.size() < kManyQueues ? 0 : dirty.size() / 2;
  const Status first_half = SettleQueues({dirty.data(), half});
  if (half > 0) (void)early.Start([this, &early_sync] { early_sync = queues_.SyncEarly(); });
  const Status second_half = SettleQueues({dirty.data() + half, dirty.size() - half});
  early.Join();
  for (const Status& settled : {first_half, second_half})
    if (status.ok()) status = settled;
  if (!early_sync.ok()) flusher_.Fail(early_sync);
  MILLRACE_RETURN_IF_ERROR(status);
  Status synced = early_sync;
  if (synced.ok() && !Sings(Canary::kCheckpointBeforeQueues)) synced = queues_.Sync();
  if (synced.ok()) synced = index_.Sync();
  // The kernel may have dropped pages of them and call the rest clean. A second try would succeed and mean nothing; the
  // next open puts everything behind the last checkpoint again.
  if (synced.code == Code::kSyncFailed) flusher_.Fail(synced);
  MILLRACE_RETURN_IF_ERROR(synced);
  // The table says what the queues held at `end`, when they were marked; units put since then are not in it.
  QueueTable table;
  table.dispatched = end;
  table.index_end = -1;
  {
    std::lock_guard lock(append_mutex_);
    const int64_t index_end = index_.end_log_offset();
    if (index_end < end) table.index_end = index_end;
    table.index_files = static_cast<int64_t>(index_.files().size());
  }
  for (const ConsumeQueue* queue : queues_.All()) {
    const ConsumeQueue::Mark& mark = queue->mark();
    table.rows.push_back({queue->topic(), queue->queue_id(), std::min(queue->min_offset(), mark.max_offset),
                          mark.max_offset, mark.last_log_offset, mark.last_size});
  }
  MILLRACE_RETURN_IF_ERROR(WriteQueueTable(files_, paths_, table));
  MILLRACE_RETURN_IF_ERROR(
      position_.WriteCheckpoint({timestamp, timestamp, index_.full_until_timestamp()}, end, closing));
  checkpointed_to_ = end;
  return Status::Ok();
}

std::vector<ConsumeQueue*> Store::DirtyQueues() {
  std::lock_guard lock(append_mutex_);
  return queues_.Dirty();
}

// Their tails go to their files. An append waits for none of these writes, but for a queue's first ones. All are tried;
// the first failure is told.
Status Store::SettleQueues(std::span<ConsumeQueue* const> queues) {
  ConsumeQueue::TakenTail tail;
  Status first, written;
  ConsumeQueue* writing = nullptr;
  for (size_t i = 0; i < queues.size() || writing != nullptr; i++) {
    {
      std::lock_guard lock(append_mutex_);
      Status settled = writing != nullptr ? writing->LetTailGo(tail, written) : Status::Ok();
      writing = nullptr;
      if (i < queues.size()) {
        if (queues[i]->TakeTail(&tail)) {
          writing = queues[i];
        } else if (const Status status = queues[i]->Settle(); settled.ok()) {
          settled = status;
        }
      }
      if (first.ok()) first = settled;
    }
    if (writing != nullptr) written = writing->WriteTail(tail);
  }
  return first;
}

void Store::RunHousekeeper() {
  platform::NameThread("mr-housekeeper");
  MappingGuard::PrepareThread();
  using Clock = std::chrono::steady_clock;
  using std::chrono::milliseconds;
  auto last_checkpoint = Clock::now(), rested = last_checkpoint;
  auto next_cleaning = Clock::now() + milliseconds(options_.retention.interval_ms);
  int64_t segment = log_.published() / log_.segment_bytes();
  int64_t checked = log_.published();
  auto next_look = Clock::now() + kHousekeeperLook;
  bool stuck = false;  // tails could not be written: not again before the next look
  std::unique_lock lock(housekeeper_mutex_);
  while (true) {
    housekeeper_wake_.wait_until(lock, next_look, [&] { return housekeeper_stop_ || (tails_due_ && !stuck); });
    if (housekeeper_stop_) return;
    lock.unlock();
    if (tails_due_ && !stuck) {
      // What fails stays in memory, and the next checkpoint says so.
      stuck = state() != StoreState::kOpen || !SettleQueues(DirtyQueues()).ok();
      tails_due_ = stuck;
    }
    const auto now = Clock::now();
    if (now < next_look) {
      lock.lock();
      continue;
    }
    stuck = tails_due_ = false;
    next_look = now + kHousekeeperLook;
    const int64_t published = log_.published();
    const bool due = (published / log_.segment_bytes() != segment && now >= rested) ||
                     now - last_checkpoint >= milliseconds(options_.checkpoint_interval_ms);
    if (state() == StoreState::kOpen && due && published != checked) {
      segment = published / log_.segment_bytes();
      last_checkpoint = now;
      if (WriteCheckpoints(false).ok()) checked = published;
      rested = Clock::now() + kCheckpointRest * (Clock::now() - now);
    }
    if (state() == StoreState::kOpen && options_.retention.any() && now >= next_cleaning) {
      next_cleaning = now + milliseconds(options_.retention.interval_ms);
      Cleaned cleaned;
      (void)Clean(false, &cleaned);  // what fails is tried again
    }
    lock.lock();
  }
}

Status Store::ReplaceFile(const std::string& name, const std::vector<uint8_t>& bytes, bool keep) {
  MILLRACE_RETURN_IF_ERROR(CheckSound());
  const std::string path = paths_.root + "/" + name, folder = path.substr(0, path.rfind('/'));
  bool exists = false;
  MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, folder, false, &exists));
  if (!exists) MILLRACE_RETURN_IF_ERROR(MakeFolders(files_, folder));
  return ReplaceWhole(files_, folder, path, bytes, keep ? path + ".bak" : "");
}

}  // namespace millrace
