// Store: appending messages. Encoding needs no lock; numbers, bytes, publication and dispatch happen under the append
// lock.
#include <algorithm>
#include <thread>

#include "canary.h"
#include "crc32.h"
#include "store.h"

namespace millrace {

namespace {
constexpr int32_t kRecordSlackBytes = 65536;  // a whole record may be so much larger than maxMessageSize

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
  PreparedRecords(const AppendBuffer& buffer, int64_t store_timestamp)
      : buffer_(buffer), store_timestamp_(store_timestamp) {}
  void Encode(size_t number, const Placement& placement, uint8_t* out) override {
    const AppendBuffer::Prepared& prepared = buffer_.prepared[number];
    EncodeRecord(*prepared.fields, prepared.sizes, prepared.crc,
                 {prepared.queue_offset, placement.log_offset, store_timestamp_}, out);
  }

 private:
  const AppendBuffer& buffer_;
  const int64_t store_timestamp_;
};

Code Store::CheckSizes(const MessageFields& message, const RecordSizes& sizes) const {
  if (message.body.size() > static_cast<size_t>(options_.max_message_bytes) ||
      sizes.total > options_.max_message_bytes + kRecordSlackBytes || sizes.total > log_.MaxRecordBytes())
    return Code::kMessageIllegal;
  return sizes.properties > kMaxPropertiesBytes ? Code::kPropertiesSizeExceeded : Code::kOk;
}

// The status of an append that is refused as a whole for one message.
Status Store::Refused(size_t message, const MessageFields& fields, const AppendOutcome& outcome, int properties) const {
  std::string what;
  if (outcome.bad_side_queue) {
    what =
        "what its property INNER_MULTI_DISPATCH names are not all topics of 1 to 127 of the characters "
        "%|-_0-9a-zA-Z, joined by ','";
  } else if (outcome.code == Code::kPropertiesSizeExceeded) {
    what = "its properties take " + std::to_string(properties) + " bytes, and 32,767 are allowed";
  } else {
    what = "its body takes " + std::to_string(fields.body.size()) + " bytes and its record " +
           std::to_string(outcome.size) + "; maxMessageSize is " + std::to_string(options_.max_message_bytes) +
           ", a segment " + std::to_string(log_.segment_bytes());
  }
  return Status::Error(outcome.code, "message " + std::to_string(message) + ": " + what, {},
                       static_cast<int64_t>(message));
}

Status Store::Prepare(AppendBuffer* buffer, const MessageFields* messages, size_t count, AppendMode mode,
                      AppendOutcome* outcomes) {
  buffer->Clear();
  const bool index = index_.enabled(), multi_dispatch = rules_.multi_dispatch();
  for (size_t i = 0; i < count; i++) {
    const MessageFields& message = messages[i];
    KnownProperties known;
    if (!message.properties.empty()) known = ReadProperties(message.properties);
    if (!message.tags.empty()) known.tags = message.tags;
    if (!message.keys.empty()) known.keys = message.keys;
    RecordSizes sizes;
    int32_t side = -1;
    outcomes[i].bad_side_queue = false;
    if (multi_dispatch && !known.multi_dispatch.empty() && EntersQueue(message.sys_flag)) [[unlikely]] {
      SideDispatch dispatch;
      outcomes[i].bad_side_queue = !PrepareSides(message, known, &dispatch);
      if (!dispatch.targets.empty()) {
        sizes = SizesOf(dispatch.fields);
        side = static_cast<int32_t>(buffer->sides.size());
        buffer->sides.push_back(std::move(dispatch));
      }
    }
    if (side < 0) sizes = SizesOf(message);
    outcomes[i].code = outcomes[i].bad_side_queue ? Code::kMessageIllegal : CheckSizes(message, sizes);
    outcomes[i].size = sizes.total;
    if (outcomes[i].code != Code::kOk) {
      if (mode.all_or_nothing) return Refused(i, message, outcomes[i], sizes.properties);
      if (side >= 0) buffer->sides.pop_back();
      continue;
    }
    if (index && EntersIndex(message.sys_flag))
      DispatchRules::KeyHashes(message.topic, known.unique_key, known.keys, &buffer->hashes);
    buffer->placements.push_back({sizes.total, 0});
    buffer->prepared.push_back({i, &message, sizes,
                                BodyCrc(reinterpret_cast<const uint8_t*>(message.body.data()), message.body.size()),
                                side, rules_.TagCode(message.topic, known.tags, known.delay, 0), buffer->hashes.size(),
                                0, DispatchRules::IsDelayed(message.topic, known.delay)});
  }
  if (!buffer->sides.empty()) MakeSideQueues(buffer);
  return mode.together ? CheckTogether(*buffer) : Status::Ok();
}

Status Store::CheckTogether(const AppendBuffer& buffer) const {
  int64_t total = 0;
  for (const Placement& placement : buffer.placements) total += placement.size;
  if (total <= log_.MaxRecordBytes()) return Status::Ok();
  return Status::Error(Code::kMessageIllegal, "the batch takes " + std::to_string(total) +
                                                  " bytes, which no segment of " +
                                                  std::to_string(log_.segment_bytes()) + " holds whole");
}

// Under the append lock: each message gets its numbers, in the order of the log.
Status Store::GiveNumbers(AppendBuffer* buffer, ConsumeQueue* const* queues, AppendMode mode, int64_t now,
                          AppendOutcome* outcomes) const {
  for (size_t n = 0; n < buffer->prepared.size();) {
    AppendBuffer::Prepared& prepared = buffer->prepared[n];
    if (prepared.delayed && prepared.tag_code != 0) prepared.tag_code += now;
    if (EntersQueue(prepared.fields->sys_flag)) {
      ConsumeQueue* const queue = queues[prepared.message];
      prepared.queue_offset = queue->next_offset();
      if (prepared.side >= 0) [[unlikely]] {
        AppendOutcome& outcome = outcomes[prepared.message];
        outcome.code = NumberSides(buffer, n);
        outcome.size = prepared.sizes.total;
        if (outcome.code != Code::kOk) {
          if (mode.all_or_nothing)
            return Refused(prepared.message, *prepared.fields, outcome, prepared.sizes.properties);
          buffer->Drop(n);
          continue;
        }
      }
      queue->set_next_offset(prepared.queue_offset + 1);
    }
    n++;
  }
  return mode.together && !buffer->sides.empty() ? CheckTogether(*buffer) : Status::Ok();
}

Status Store::Append(AppendBuffer* buffer, const MessageFields* messages, ConsumeQueue* const* queues, size_t count,
                     AppendMode mode, AppendOutcome* outcomes) {
  const int64_t called = Ticks::Now();
  Status status = CheckWritable();
  // 1. Without the lock: check, sum, hash.
  if (status.ok()) status = Prepare(buffer, messages, count, mode, outcomes);
  // 2. With the lock: numbers, bytes, publication, queues, index.
  if (status.ok() && !buffer->prepared.empty()) status = AppendPrepared(buffer, queues, mode, outcomes, called);
  if (const size_t taken = status.ok() ? buffer->prepared.size() : 0; taken < count) [[unlikely]]
    append_counters_.refused.fetch_add(static_cast<int64_t>(count - taken), std::memory_order_relaxed);
  return status;
}

Status Store::AppendPrepared(AppendBuffer* buffer, ConsumeQueue* const* queues, AppendMode mode,
                             AppendOutcome* outcomes, int64_t called) {
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
  Status status = GiveNumbers(buffer, queues, mode, now, outcomes);
  const size_t accepted = buffer->prepared.size();
  if (status.ok() && accepted == 0) return status;
  // Room for all of it before the log takes anything.
  for (const AppendBuffer::Prepared& prepared : buffer->prepared) {
    if (!status.ok()) break;
    ConsumeQueue* const queue = queues[prepared.message];
    status = queue->PrepareOwn(queue->next_offset() - queue->max_offset());
  }
  if (status.ok() && !buffer->sides.empty()) status = ReserveSides(*buffer);
  if (status.ok()) status = index_.Prepare(static_cast<int64_t>(buffer->hashes.size()));
  if (status.ok()) status = log_.Place(buffer->placements.data(), accepted, mode.together);
  PreparedRecords records(*buffer, now);
  bool poisoned = false;
  if (status.ok() && Sings(Canary::kPublishBeforeBody))
    log_.Publish(buffer->placements[accepted - 1].log_offset + buffer->placements[accepted - 1].size);
  if (status.ok()) status = log_.Write(&records, buffer->placements.data(), accepted, &poisoned);
  if (!status.ok()) {
    for (const AppendBuffer::Prepared& prepared : buffer->prepared)
      queues[prepared.message]->set_next_offset(queues[prepared.message]->max_offset());
    TakeSideNumbersBack(*buffer);
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
    if (EntersQueue(prepared.fields->sys_flag))
      queues[prepared.message]->PutOwn({log_offset, prepared.sizes.total, prepared.tag_code}, now);
    if (prepared.side >= 0) [[unlikely]]
      PutSides(buffer->sides[static_cast<size_t>(prepared.side)], log_offset, prepared.sizes.total);
    for (; hash < prepared.hashes_end; hash++) index_.Put(buffer->hashes[hash], log_offset, now);
  }
  append_counters_.Count(static_cast<int64_t>(accepted), log_.end() - before, Ticks::Now() - called);
  // Before they are so large that appends must write them. A wake-up that the housekeeper misses costs it a look.
  if (queues_.tail_bytes() > options_.tail_budget_bytes / 2 && !tails_due_.exchange(true)) [[unlikely]]
    housekeeper_wake_.notify_one();
  return Status::Ok();
}

Status Store::WaitFlushed(int64_t log_offset, bool* done) {
  return flusher_.SyncTo(log_offset, options_.flush_timeout_ms, done);
}

}  // namespace millrace
