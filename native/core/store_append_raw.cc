// Store: log bytes that another has written, as a master sends them to a replica, or as another process appends them to
// the files of a store that is open here for reading.
#include <algorithm>

#include "store.h"

namespace millrace {

namespace {
// Taken in at once of what another process has appended: some milliseconds, for it happens on an event loop.
constexpr int64_t kRefreshBytes = 32 << 20;
}  // namespace

// Where AppendRaw has left the log's end: nothing may follow half a record, or records that no queue knows.
Status Store::FinishRaw() {
  MILLRACE_RETURN_IF_ERROR(DispatchRange(raw_dispatched_, log_.end(), &raw_dispatched_));
  if (raw_dispatched_ == log_.end()) return Status::Ok();
  return Status::Error(Code::kAppendGap,
                       "the log ends inside a record that begins at " + std::to_string(raw_dispatched_) +
                           ": the rest of it must be appended first",
                       paths_.root, log_.end());
}

Status Store::AppendRaw(int64_t log_offset, const uint8_t* bytes, size_t count) {
  std::lock_guard lock(append_mutex_);
  MILLRACE_RETURN_IF_ERROR(CheckWritable());
  // What an earlier call could not dispatch, for the disk was full, before there is more of it.
  if (raw_dispatched_ != log_.end())
    MILLRACE_RETURN_IF_ERROR(DispatchRange(raw_dispatched_, log_.end(), &raw_dispatched_));
  if (count == 0) return Status::Ok();
  if (log_.end() == 0 && log_.segments()->empty() && log_offset % log_.segment_bytes() == 0 && log_offset > 0) {
    log_.BeginAt(log_offset);  // an empty replica begins at whatever segment its master sends
    raw_dispatched_ = log_offset;
  }
  if (log_offset != log_.end())
    return Status::Error(Code::kAppendGap,
                         "bytes of log offset " + std::to_string(log_offset) +
                             " do not follow the log, which ends at " + std::to_string(log_.end()),
                         paths_.root, log_.end());
  bool poisoned = false;
  const Status status = log_.WriteRaw(bytes, count, &poisoned);
  if (poisoned) poisoned_.store(true, std::memory_order_release);
  MILLRACE_RETURN_IF_ERROR(status);
  MILLRACE_RETURN_IF_ERROR(DispatchRange(raw_dispatched_, log_.end(), &raw_dispatched_));
  return Status::Ok();
}

namespace {

// Another process's pwrite arrives front to back, and a record's properties are covered by no checksum: it is whole
// when its last byte is there, or something behind it.
bool StillComing(const RecordView& view, int64_t available) {
  if (view.properties.empty() || view.properties.back() != 0) return false;
  const auto* const end = reinterpret_cast<const uint8_t*>(view.properties.data() + view.properties.size());
  return available - view.size < 8 || Get64(end) == 0;
}

}  // namespace

// Dispatches the whole records that begin in [from, to) and publishes behind each; stops before one that is not whole
// yet.
Status Store::DispatchRange(int64_t from, int64_t to, int64_t* dispatched) {
  const auto segments = log_.segments();
  std::vector<int32_t> hashes;
  while (from < to) {
    const auto segment = CommitLog::FindIn(*segments, from, log_.segment_bytes());
    if (!segment) break;
    MILLRACE_RETURN_IF_ERROR(segment->Open());
    const int64_t at = from - segment->from();
    // What lies behind `to` is another process's, or nothing yet.
    const int64_t available = read_only_ ? segment->bytes() - at : std::min(segment->bytes() - at, to - from);
    const RecordView view = CheckRecord(segment->base() + at, available, from, true);
    if (view.found == Found::kBlank) {
      *dispatched = from = segment->end();
      log_.Publish(from);
      continue;
    }
    MILLRACE_RETURN_IF_ERROR(segment->Readable(from));
    if (view.found != Found::kRecord || (read_only_ && StillComing(view, segment->bytes() - at))) break;
    const KnownProperties properties = ReadProperties(view.properties);
    const int64_t tag_code = rules_.TagCode(view.topic, properties.tags, properties.delay, view.store_timestamp);
    const auto put = [&](ConsumeQueue* queue, int64_t queue_offset, int64_t code, bool own) -> Status {
      if (queue == nullptr) return Status::Ok();
      if (queue_offset > kMaxQueueOffset) return Status::Ok();
      if (queue->max_offset() == 0 && queue_offset > 0 && !queue->has_files())
        MILLRACE_RETURN_IF_ERROR(queue->SetBounds(queue_offset, queue_offset));
      // No checksum covers the number: between it and the one before lie no more messages than fit before the record.
      if (queue_offset - queue->max_offset() > view.log_offset / kRecordMinBytes) return Status::Ok();
      // Numbers that were lost with a cut stay empty, as recovery leaves them.
      while (queue->max_offset() <= queue_offset) {
        if (!read_only_) MILLRACE_RETURN_IF_ERROR(own ? queue->PrepareOwn(1) : queue->Prepare(1));
        if (queue->max_offset() < queue_offset) {
          queue->Put(kPreBlank);
        } else if (own) {
          queue->PutOwn({view.log_offset, view.size, code}, view.store_timestamp);
        } else {
          queue->Put({view.log_offset, view.size, code});
        }
      }
      return Status::Ok();
    };
    if (!read_only_ && index_.enabled() && EntersIndex(view.sys_flag)) {
      hashes.clear();
      DispatchRules::KeyHashes(view.topic, properties.unique_key, properties.keys, &hashes);
      MILLRACE_RETURN_IF_ERROR(index_.Prepare(static_cast<int64_t>(hashes.size())));
    }
    from += view.size;
    log_.Publish(from);
    last_timestamp_.store(view.store_timestamp, std::memory_order_relaxed);
    flusher_.NoteAppended(view.store_timestamp);
    if (EntersQueue(view.sys_flag)) {
      MILLRACE_RETURN_IF_ERROR(put(queues_.GetOrMake(view.topic, view.queue_id), view.queue_offset, tag_code, true));
      for (const auto& side : rules_.SideQueues(properties, view.queue_id))
        MILLRACE_RETURN_IF_ERROR(put(rules_.Find(side, &queues_), side.queue_offset,
                                     properties.tags.empty() ? 0 : JavaHash(properties.tags), false));
    }
    for (const int32_t hash : hashes) index_.Put(hash, view.log_offset, view.store_timestamp);
    hashes.clear();
    *dispatched = from;
  }
  return Status::Ok();
}

// The writer may have deleted the oldest segments, and is deleting what queues and index have of them.
Status Store::FollowDeletion() {
  const auto segments = log_.segments();
  FileInfo info;
  bool exists = true;
  if (!segments->empty()) MILLRACE_RETURN_IF_ERROR(files_->Stat(segments->front()->path(), &info, &exists));
  if (exists) return Status::Ok();
  std::lock_guard retention_lock(retention_mutex_);
  {
    std::lock_guard lock(append_mutex_);
    MILLRACE_RETURN_IF_ERROR(log_.Refresh());
  }
  MILLRACE_RETURN_IF_ERROR(RaiseBounds());
  expired_files_.clear();
  return Status::Ok();
}

Status Store::Refresh() {
  if (!read_only_) return Status::Ok();
  MILLRACE_RETURN_IF_ERROR(FollowDeletion());
  std::lock_guard lock(append_mutex_);
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  const int64_t limit = raw_dispatched_ + kRefreshBytes;
  while (raw_dispatched_ < limit) {
    std::shared_ptr<Segment> segment;
    MILLRACE_RETURN_IF_ERROR(log_.Find(raw_dispatched_, &segment));
    if (!segment) {  // the writer may have gone on to a new segment
      MILLRACE_RETURN_IF_ERROR(log_.Refresh());
      MILLRACE_RETURN_IF_ERROR(log_.Find(raw_dispatched_, &segment));
    }
    if (!segment) return Status::Ok();
    const int64_t before = raw_dispatched_;
    MILLRACE_RETURN_IF_ERROR(DispatchRange(before, std::min(limit, log_.segments()->back()->end()), &raw_dispatched_));
    if (raw_dispatched_ == before) return Status::Ok();
  }
  return Status::Ok();
}

}  // namespace millrace
