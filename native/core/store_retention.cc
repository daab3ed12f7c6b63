// Store: the log's oldest segments go, and after them what queues and index hold of them.
#include <algorithm>

#include "store.h"

namespace millrace {

namespace {

constexpr size_t kMaxFolderBytes = 255;

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

Status Store::LookAtDisk(RetentionMoment* moment) {
  moment->now_ms = options_.retention_clock.now_ms();
  moment->hour = options_.retention_clock.hour(moment->now_ms);
  moment->log_disk_used = log_.directories().LeastUsed();
  moment->queue_disk_used = DiskUsed(files_, paths_.queues);
  disk_full_.store(IsDiskFull(options_.retention, *moment), std::memory_order_relaxed);
  const auto segments = log_.segments();
  moment->log_bytes = static_cast<int64_t>(segments->size()) * log_.segment_bytes();
  moment->oldest_modified_ms = moment->now_ms;
  if (segments->empty()) return Status::Ok();
  FileInfo info;
  bool exists = false;
  MILLRACE_RETURN_IF_ERROR(files_->Stat(segments->front()->path(), &info, &exists));
  if (exists) moment->oldest_modified_ms = info.modified_ms;
  return Status::Ok();
}

Status Store::Clean(bool by_hand, Cleaned* cleaned) {
  return DeleteOldest(
      [&](bool* goes) {
        RetentionMoment moment;
        moment.by_hand = by_hand;
        MILLRACE_RETURN_IF_ERROR(LookAtDisk(&moment));
        *goes = cleaned->segments < options_.retention.most_segments && OldestGoes(options_.retention, moment);
        return Status::Ok();
      },
      cleaned);
}

Status Store::DeleteBelow(int64_t log_offset, Cleaned* cleaned) {
  return DeleteOldest(
      [&](bool* goes) {
        *goes = log_.min_offset() + log_.segment_bytes() <= log_offset;
        return Status::Ok();
      },
      cleaned);
}

Status Store::DeleteOldest(const std::function<Status(bool* goes)>& decide, Cleaned* cleaned) {
  std::lock_guard retention_lock(retention_mutex_);
  MILLRACE_RETURN_IF_ERROR(CheckSound());
  Status status;
  while (status.ok()) {
    bool goes = false;
    status = decide(&goes);
    if (!status.ok() || !goes || IsHeld()) break;
    // What queues and index know of it must be on disk: the log can't tell any more.
    const int64_t gone_to = log_.min_offset() + log_.segment_bytes();
    if (checkpointed_to_ < gone_to) status = WriteCheckpoints(false);
    if (!status.ok() || checkpointed_to_ < gone_to || log_.segments()->size() < 2) break;
    status = log_.DeleteOldest();
    if (!status.ok()) break;
    cleaned->segments++;
    held_since_ms_ = 0;
  }
  const Status followed = FollowLog();
  RetentionMoment after;
  (void)LookAtDisk(&after);  // there may be room again
  return status.ok() ? followed : status;
}

// A reader holds the oldest segment, and has not done so for long.
bool Store::IsHeld() {
  const auto segments = log_.segments();
  const int64_t now = options_.retention_clock.now_ms();
  if (segments->empty() || segments->front()->holds() == 0) {
    held_since_ms_ = 0;
  } else if (held_since_ms_ == 0) {
    held_since_ms_ = now;
  }
  return held_since_ms_ != 0 && now - held_since_ms_ < options_.retention.hold_ms;
}

// Bounds first, then a checkpoint that knows them, then the files: after a crash in between, a file that is missing
// would be one that was lost.
Status Store::FollowLog() {
  MILLRACE_RETURN_IF_ERROR(RaiseBounds());
  if (expired_files_.empty()) return Status::Ok();
  MILLRACE_RETURN_IF_ERROR(WriteCheckpoints(false));
  while (!expired_files_.empty()) {
    const std::string path = expired_files_.front();
    MILLRACE_RETURN_IF_ERROR(files_->Unlink(path));
    expired_files_.pop_front();
    // Of a queue's files each goes for good before the next: no power cut leaves a hole.
    const std::string folder = FolderOf(path);
    if (!expired_files_.empty() && FolderOf(expired_files_.front()) == folder)
      MILLRACE_RETURN_IF_ERROR(files_->SyncDirectory(folder));
  }
  return Status::Ok();
}

// Takes out of queues and index what points below the log.
Status Store::RaiseBounds() {
  const int64_t min = log_.min_offset();
  if (min <= followed_to_) return Status::Ok();
  for (ConsumeQueue* queue : queues_.All()) MILLRACE_RETURN_IF_ERROR(RaiseMin(queue, min));
  std::vector<std::shared_ptr<IndexFile>> expired;
  {
    std::lock_guard lock(append_mutex_);
    expired = index_.Expire(min);
  }
  for (const auto& file : expired) expired_files_.push_back(file->path());
  followed_to_ = min;
  return Status::Ok();
}

Status Store::RaiseMin(ConsumeQueue* queue, int64_t log_min) {
  const int64_t low = queue->min_offset(), high = queue->max_offset(), forgotten = forgotten_.To(queue->topic());
  int64_t first = low;
  MILLRACE_RETURN_IF_ERROR(queue->FirstNotBelow(log_min, low, high, &first));
  // The files of what was forgotten go when the log begins behind it.
  if (first == low && !(forgotten > 0 && forgotten <= log_min)) return Status::Ok();
  std::lock_guard lock(append_mutex_);
  queue->Expire(first, &expired_files_);
  return Status::Ok();
}

Status Store::DeleteTopic(std::string_view topic) {
  if (!IsTopicName(topic, kMaxFolderBytes))
    return Status::Error(Code::kMessageIllegal, "no topic can be called " + std::string(topic.substr(0, 300)));
  std::lock_guard retention_lock(retention_mutex_);
  MILLRACE_RETURN_IF_ERROR(CheckSound());
  const int64_t to = log_.published();
  // A log that ended before it would give what comes next the place of what is forgotten.
  bool done = false;
  MILLRACE_RETURN_IF_ERROR(flusher_.SyncTo(to, INT32_MAX, &done));
  return Forget(topic, to);
}

Status Store::Forget(std::string_view topic, int64_t to) {
  MILLRACE_RETURN_IF_ERROR(forgotten_.Forget(topic, to, log_.min_offset()));
  for (ConsumeQueue* queue : queues_.All()) {
    if (queue->topic() != topic) continue;
    int64_t first = queue->min_offset();
    MILLRACE_RETURN_IF_ERROR(queue->FirstNotBelow(to, first, queue->max_offset(), &first));
    queue->set_min_offset(first);
  }
  return Status::Ok();
}

}  // namespace millrace
