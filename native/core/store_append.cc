// Store: appending. Encoding needs no lock; numbers, bytes, publication and dispatch happen under the append lock.
#include <algorithm>
#include <thread>

#include "crc32.h"
#include "store.h"

namespace millrace {

namespace {
constexpr int32_t kRecordSlackBytes = 65536;  // a whole record may be so much larger than maxMessageSize
// Taken in at once of what another process has appended: some milliseconds, for it happens on an event loop.
constexpr int64_t kRefreshBytes = 32 << 20;

// An append holds the lock for microseconds, and to sleep and be woken takes longer. Where the holder has lost its
// processor, yielding gives it one.
void LockSoon(std::unique_lock<std::mutex>* lock) {
  constexpr int kTurns = 200;
  for (int turns = 0; turns < kTurns; turns++) {
    std::this_thread::yield();
    if (lock->try_lock()) return;
  }
  lock->lock();
}

}  // namespace

// Encodes the prepared messages where they are placed.
class Store::PreparedRecords final : public RecordSource {
 public:
  PreparedRecords(const AppendBuffer& buffer, const MessageFields* messages, int64_t store_timestamp)
      : buffer_(buffer), messages_(messages), store_timestamp_(store_timestamp) {}
  void Encode(size_t number, const Placement& placement, uint8_t* out) override {
    const AppendBuffer::Prepared& prepared = buffer_.prepared[number];
    EncodeRecord(messages_[prepared.message], prepared.sizes, prepared.crc,
                 {prepared.queue_offset, placement.log_offset, store_timestamp_}, out);
  }

 private:
  const AppendBuffer& buffer_;
  const MessageFields* const messages_;
  const int64_t store_timestamp_;
};

Status Store::Prepare(AppendBuffer* buffer, const MessageFields* messages, size_t count, AppendMode mode,
                      AppendOutcome* outcomes) const {
  buffer->prepared.clear();
  buffer->placements.clear();
  buffer->hashes.clear();
  int64_t total = 0;
  const bool index = index_.enabled();
  for (size_t i = 0; i < count; i++) {
    const MessageFields& message = messages[i];
    const RecordSizes sizes = SizesOf(message);
    Code refused = Code::kOk;
    if (sizes.properties > kMaxPropertiesBytes) refused = Code::kPropertiesSizeExceeded;
    if (message.body.size() > static_cast<size_t>(options_.max_message_bytes)) refused = Code::kMessageIllegal;
    if (sizes.total > options_.max_message_bytes + kRecordSlackBytes || sizes.total > log_.MaxRecordBytes())
      refused = Code::kMessageIllegal;
    outcomes[i].code = refused;
    outcomes[i].size = sizes.total;
    if (refused != Code::kOk) {
      if (!mode.all_or_nothing) continue;
      const std::string what =
          refused == Code::kPropertiesSizeExceeded
              ? "its properties take " + std::to_string(sizes.properties) + " bytes, and 32,767 are allowed"
              : "its body takes " + std::to_string(message.body.size()) + " bytes and its record " +
                    std::to_string(sizes.total) + "; maxMessageSize is " + std::to_string(options_.max_message_bytes) +
                    ", a segment " + std::to_string(log_.segment_bytes());
      return Status::Error(refused, "message " + std::to_string(i) + ": " + what, {}, static_cast<int64_t>(i));
    }
    total += sizes.total;

    KnownProperties known;
    if (!message.properties.empty()) known = ReadProperties(message.properties);
    if (!message.tags.empty()) known.tags = message.tags;
    if (!message.keys.empty()) known.keys = message.keys;
    if (index && EntersIndex(message.sys_flag))
      DispatchRules::KeyHashes(message.topic, known.unique_key, known.keys, &buffer->hashes);
    buffer->placements.push_back({sizes.total, 0});
    buffer->prepared.push_back({i, sizes,
                                BodyCrc(reinterpret_cast<const uint8_t*>(message.body.data()), message.body.size()),
                                DispatchRules::IsDelayed(message.topic, known.delay),
                                rules_.TagCode(message.topic, known.tags, known.delay, 0), buffer->hashes.size(), 0});
  }
  if (mode.together && total > log_.MaxRecordBytes())
    return Status::Error(Code::kMessageIllegal, "the batch takes " + std::to_string(total) +
                                                    " bytes, which no segment of " +
                                                    std::to_string(log_.segment_bytes()) + " holds whole");
  return Status::Ok();
}

Status Store::Append(AppendBuffer* buffer, const MessageFields* messages, ConsumeQueue* const* queues, size_t count,
                     AppendMode mode, AppendOutcome* outcomes) {
  const int64_t called = Ticks::Now();
  Status status = CheckWritable();
  // 1. Without the lock: check, sum, hash.
  if (status.ok()) status = Prepare(buffer, messages, count, mode, outcomes);
  const size_t accepted = status.ok() ? buffer->prepared.size() : 0;
  // 2. With the lock: numbers, bytes, publication, queues, index.
  if (accepted > 0) status = AppendPrepared(buffer, messages, queues, mode, outcomes, called);
  if (const size_t taken = status.ok() ? accepted : 0; taken < count) [[unlikely]]
    append_counters_.refused.fetch_add(static_cast<int64_t>(count - taken), std::memory_order_relaxed);
  return status;
}

Status Store::AppendPrepared(AppendBuffer* buffer, const MessageFields* messages, ConsumeQueue* const* queues,
                             AppendMode mode, AppendOutcome* outcomes, int64_t called) {
  const size_t accepted = buffer->prepared.size();
  std::unique_lock lock(append_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    const int64_t since = append_since_ms_.load(std::memory_order_relaxed);
    if (since != 0 && NowMs() - since > options_.pagecache_busy_ms)
      return Status::Error(
          Code::kPagecacheBusy,
          "another append has held the log for over " + std::to_string(options_.pagecache_busy_ms) + " ms",
          paths_.root);
    LockSoon(&lock);
  }
  MILLRACE_RETURN_IF_ERROR(CheckWritable());
  if (raw_dispatched_ != log_.end()) MILLRACE_RETURN_IF_ERROR(FinishRaw());
  const int64_t now = NowMs();
  append_since_ms_.store(now, std::memory_order_relaxed);
  const struct Leaving {
    std::atomic<int64_t>& since;
    ~Leaving() { since.store(0, std::memory_order_relaxed); }
  } leaving{append_since_ms_};
  for (AppendBuffer::Prepared& prepared : buffer->prepared) {
    if (prepared.delayed && prepared.tag_code != 0) prepared.tag_code += now;
    if (EntersQueue(messages[prepared.message].sys_flag)) {
      ConsumeQueue* const queue = queues[prepared.message];
      prepared.queue_offset = queue->next_offset();
      queue->set_next_offset(prepared.queue_offset + 1);
    }
  }
  // Room for all of it before the log takes anything.
  Status status;
  for (const AppendBuffer::Prepared& prepared : buffer->prepared) {
    if (!status.ok()) break;
    ConsumeQueue* const queue = queues[prepared.message];
    status = queue->Prepare(queue->next_offset() - queue->max_offset());
  }
  if (status.ok()) status = index_.Prepare(static_cast<int64_t>(buffer->hashes.size()));
  if (status.ok()) status = log_.Place(buffer->placements.data(), accepted, mode.together);
  PreparedRecords records(*buffer, messages, now);
  bool poisoned = false;
  if (status.ok()) status = log_.Write(&records, buffer->placements.data(), accepted, &poisoned);
  if (!status.ok()) {
    for (const AppendBuffer::Prepared& prepared : buffer->prepared)
      queues[prepared.message]->set_next_offset(queues[prepared.message]->max_offset());
    if (poisoned) poisoned_.store(true, std::memory_order_release);
    return status;
  }
  const int64_t before = raw_dispatched_;
  log_.Publish(log_.end());
  raw_dispatched_ = log_.end();
  last_timestamp_.store(now, std::memory_order_relaxed);
  flusher_.NoteAppended(now);
  size_t hash = 0;
  for (size_t n = 0; n < accepted; n++) {
    const AppendBuffer::Prepared& prepared = buffer->prepared[n];
    const int64_t log_offset = buffer->placements[n].log_offset;
    outcomes[prepared.message] = {Code::kOk, prepared.sizes.total, log_offset, prepared.queue_offset, now};
    if (EntersQueue(messages[prepared.message].sys_flag))
      queues[prepared.message]->Put({log_offset, prepared.sizes.total, prepared.tag_code});
    for (; hash < prepared.hashes_end; hash++) index_.Put(buffer->hashes[hash], log_offset, now);
  }
  append_counters_.Count(static_cast<int64_t>(accepted), log_.end() - before, Ticks::Now() - called);
  return Status::Ok();
}

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
    const auto put = [&](std::string_view topic, int32_t queue_id, int64_t queue_offset, int64_t code) -> Status {
      ConsumeQueue* const queue = queues_.GetOrMake(topic, queue_id);
      if (queue == nullptr) return Status::Ok();
      if (queue_offset > kMaxQueueOffset) return Status::Ok();
      if (queue->max_offset() == 0 && queue_offset > 0 && !queue->has_files())
        MILLRACE_RETURN_IF_ERROR(queue->SetBounds(queue_offset, queue_offset));
      // No checksum covers the number: between it and the one before lie no more messages than fit before the record.
      if (queue_offset - queue->max_offset() > view.log_offset / kRecordMinBytes) return Status::Ok();
      // Numbers that were lost with a cut stay empty, as recovery leaves them.
      while (queue->max_offset() <= queue_offset) {
        if (!read_only_) MILLRACE_RETURN_IF_ERROR(queue->Prepare(1));
        queue->Put(queue->max_offset() < queue_offset ? kPreBlank : QueueUnit{view.log_offset, view.size, code});
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
      MILLRACE_RETURN_IF_ERROR(put(view.topic, view.queue_id, view.queue_offset, tag_code));
      if (rules_.multi_dispatch())
        for (const auto& side : rules_.SideQueues(properties, view.queue_id))
          MILLRACE_RETURN_IF_ERROR(put(side.topic, side.queue_id, side.queue_offset,
                                       properties.tags.empty() ? 0 : JavaHash(properties.tags)));
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

Status Store::WaitFlushed(int64_t log_offset, bool* done) {
  return flusher_.SyncTo(log_offset, options_.flush_timeout_ms, done);
}

}  // namespace millrace
