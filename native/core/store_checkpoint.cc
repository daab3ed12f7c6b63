// Store: the checkpoint, the durable position, and the thread that keeps both.
#include <algorithm>

#include "platform.h"
#include "store.h"

namespace millrace {

namespace {
constexpr auto kHousekeeperLook = std::chrono::seconds(1);      // without a sync (segments rolled, checkpoints due)
constexpr auto kPositionDelay = std::chrono::milliseconds(40);  // with the sync itself well within 100 ms
}  // namespace

Status Store::WritePosition(bool clean) {
  position_.synced = std::max(position_.synced, flusher_.flushed());
  position_.clean = clean;
  position_.checkpoint = checkpoint_;
  MILLRACE_RETURN_IF_ERROR(position_file_.Write(position_));
  synced_position_.store(position_.synced, std::memory_order_relaxed);
  return Status::Ok();
}

// Queue tails, queue files, index and log on disk; then, and only then, the files that say so.
Status Store::WriteCheckpoints(bool closing) {
  std::lock_guard checkpoint_lock(checkpoint_mutex_);
  int64_t end = 0, timestamp = 0;
  std::vector<ConsumeQueue*> dirty;
  {
    std::lock_guard lock(append_mutex_);
    end = raw_dispatched_;
    timestamp = last_timestamp_.load(std::memory_order_relaxed);
    dirty = queues_.TakeDirty();
  }
  Status status;
  for (ConsumeQueue* queue : dirty) {
    std::lock_guard lock(append_mutex_);
    const Status settled = queue->Settle();
    if (!settled.ok() && status.ok()) status = settled;
  }
  MILLRACE_RETURN_IF_ERROR(status);
  bool done = false;
  MILLRACE_RETURN_IF_ERROR(flusher_.SyncTo(end, INT32_MAX, &done));
  MILLRACE_RETURN_IF_ERROR(queues_.Sync());
  MILLRACE_RETURN_IF_ERROR(index_.Sync());
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
  // Between the two writes below position and checkpoint disagree, and a crash there is taken for a foreign writer:
  // slower to open, never wrong.
  checkpoint_ = {timestamp, timestamp, index_.full_until_timestamp()};
  MILLRACE_RETURN_IF_ERROR(WriteCheckpoint(files_, paths_, checkpoint_));
  position_.dispatched = end;
  return WritePosition(closing);
}

void Store::RunHousekeeper() {
  platform::NameThread("mr-housekeeper");
  MappingGuard::PrepareThread();
  using Clock = std::chrono::steady_clock;
  auto last_checkpoint = Clock::now();
  int64_t segment = log_.published() / log_.segment_bytes();
  int64_t checked = log_.published();
  std::unique_lock lock(housekeeper_mutex_);
  while (!housekeeper_stop_) {
    // After a nudge a little is waited for, so that a burst of syncs is one write of the position.
    housekeeper_wake_.wait_for(lock, kPositionDelay, [this] { return housekeeper_stop_; });
    if (housekeeper_stop_) break;
    lock.unlock();
    const auto now = Clock::now();
    const int64_t published = log_.published();
    const bool open = state() == StoreState::kOpen;
    const bool due = published / log_.segment_bytes() != segment ||
                     now - last_checkpoint >= std::chrono::milliseconds(options_.checkpoint_interval_ms);
    if (open && due && published != checked) {
      segment = published / log_.segment_bytes();
      last_checkpoint = now;
      if (WriteCheckpoints(false).ok()) checked = published;
    } else if (open && flusher_.flushed() > synced_position_.load(std::memory_order_relaxed)) {
      std::lock_guard position_lock(checkpoint_mutex_);
      (void)WritePosition(false);  // tried again; a device that refuses it refuses the log's next sync too
    }
    lock.lock();
    if (flusher_.flushed() > synced_position_.load(std::memory_order_relaxed) && state() == StoreState::kOpen) continue;
    housekeeper_idle_.store(true, std::memory_order_seq_cst);
    housekeeper_wake_.wait_for(lock, kHousekeeperLook, [this] { return housekeeper_stop_ || housekeeper_nudged_; });
    housekeeper_idle_.store(false, std::memory_order_seq_cst);
    housekeeper_nudged_ = false;
  }
}

void Store::NudgeHousekeeper() {
  if (!housekeeper_idle_.exchange(false, std::memory_order_seq_cst)) return;
  {
    std::lock_guard lock(housekeeper_mutex_);
    housekeeper_nudged_ = true;
  }
  housekeeper_wake_.notify_one();
}

}  // namespace millrace
