#include "position_keeper.h"

#include <algorithm>
#include <chrono>

#include "platform.h"

namespace millrace {

namespace {
constexpr auto kDelay = std::chrono::milliseconds(40);  // with the write itself well within 100 ms
}

Status PositionKeeper::Read(const Checkpoint& checkpoint, Position* position, bool* exists) {
  MILLRACE_RETURN_IF_ERROR(file_.Read(checkpoint, position, exists));
  position_ = *position;
  return Status::Ok();
}

void PositionKeeper::CutAt(int64_t end) {
  position_.synced = std::min(position_.synced, end);
  position_.dispatched = std::min(position_.dispatched, end);
}

Status PositionKeeper::Retract() {
  if (position_.dispatched == 0) return Status::Ok();
  Position position = position_;
  position.dispatched = 0;
  position.clean = false;
  return Write(position);
}

Status PositionKeeper::Start() {
  listener_ = flusher_->AddListener([this] { Note(); });
  return thread_.Start([this] { Run(); });
}

void PositionKeeper::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.Join();
  if (listener_ != 0) flusher_->RemoveListener(listener_);
  listener_ = 0;
}

// Called by whoever synced, an append perhaps.
void PositionKeeper::Note() {
  {
    std::lock_guard lock(mutex_);
    if (noted_) return;
    noted_ = true;
  }
  wake_.notify_one();
}

void PositionKeeper::Run() {
  platform::NameThread("mr-position");
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || noted_; });
    // A little is waited for, so that a burst of syncs is one write.
    if (wake_.wait_for(lock, kDelay, [this] { return stop_; })) return;
    noted_ = false;
    lock.unlock();
    const Status status = Advance();
    lock.lock();
    // Tried again; a device that refuses it refuses the log's next sync too.
    if (!status.ok()) noted_ = true;
  }
}

Status PositionKeeper::Write(Position position) {
  position.synced = std::max(position.synced, flusher_->flushed());
  MILLRACE_RETURN_IF_ERROR(file_.Write(position));
  position_ = position;
  return Status::Ok();
}

Status PositionKeeper::Advance() {
  std::lock_guard lock(write_mutex_);
  if (flusher_->flushed() <= position_.synced) return Status::Ok();
  Position position = position_;
  position.clean = false;
  return Write(position);
}

// The position comes first: until the checkpoint follows, it is the position before it, in the file's other slot, that
// agrees with the checkpoint and counts. No instant is without one.
Status PositionKeeper::WriteCheckpoint(const Checkpoint& checkpoint, int64_t dispatched, bool closing) {
  std::lock_guard lock(write_mutex_);
  const Position before = position_;
  Position position = position_;
  position.dispatched = dispatched;
  position.clean = closing;
  position.checkpoint = checkpoint;
  MILLRACE_RETURN_IF_ERROR(Write(position));
  const Status status = millrace::WriteCheckpoint(files_, paths_, checkpoint);
  if (!status.ok()) position_ = before;
  return status;
}

}  // namespace millrace
