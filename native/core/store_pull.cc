// Store: a pull. Units say where records lie; a record is looked at where it lies only when ranges alone are wanted and
// tags must be compared. Otherwise it is copied first, and the copy is looked at, which is in the processor's cache
// then.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "platform.h"
#include "store.h"

namespace millrace {

namespace {

constexpr int64_t kUnitsAtOnce = 128;
constexpr int64_t kMaxScannedUnits = 800;  // Java's 16,000 bytes of units
constexpr int64_t kCloseBytes = 1 << 20;

int64_t MemoryBytes() {
  static const int64_t bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  return bytes > 0 ? bytes : int64_t{24} << 30;
}

bool SideQueueOf(const RecordView& view, const ConsumeQueue& queue, int64_t queue_offset, const DispatchRules& rules) {
  const KnownProperties properties = ReadProperties(view.properties);
  for (const auto& side : rules.SideQueues(properties, view.queue_id))
    if (side.topic == queue.topic() && side.queue_offset == queue_offset &&
        (queue.queue_id() == side.queue_id || (queue.queue_id() == 0 && DispatchRules::IsLight(side.topic))))
      return true;
  return false;
}

// Why a unit does not point to a message of its queue; empty when it does. `record` has what lies there.
std::string MismatchOf(const ConsumeQueue& queue, const PullRange& range, const uint8_t* record, const RecordView& view,
                       const DispatchRules& rules) {
  const int32_t claimed = GetI32(record);
  if (view.found == Found::kRecord ? view.size != range.size : view.found == Found::kCut && claimed > range.size)
    return "says " + std::to_string(range.size) + " bytes, the record has " + std::to_string(claimed);
  if (view.found != Found::kRecord) return std::string("points to ") + FoundName(view.found);
  if ((view.topic == queue.topic() && view.queue_id == queue.queue_id() && view.queue_offset == range.queue_offset) ||
      SideQueueOf(view, queue, range.queue_offset, rules))
    return {};
  return "points to message " + std::to_string(view.queue_offset) + " of queue " + std::to_string(view.queue_id) +
         " of topic '" + std::string(view.topic) + "'";
}

bool HasTag(const PullRequest& request, const RecordView& view) {
  const std::string_view tags = ReadProperties(view.properties).tags;
  return std::find(request.tags->begin(), request.tags->end(), tags) != request.tags->end();
}

class PullScan {
 public:
  PullScan(const Store& store, const CommitLog& log, const PullRequest& request, PullOutcome* outcome)
      : store_(store),
        log_(log),
        request_(request),
        outcome_(*outcome),
        near_(MemoryBytes() / 100 * store.options().memory_ratio) {}

  Status Run() {
    outcome_.next_offset = 0;
    if (AnswerBounds()) return Status::Ok();
    // After the queue's end: what its units point to is in the log that is seen now.
    segments_ = outcome_.segments = log_.segments();
    log_min_ = segments_->empty() ? log_.published() : segments_->front()->from();
    log_end_ = store_.visible_end();
    outcome_.ranges.reserve(static_cast<size_t>(std::min<int64_t>(request_.max_messages, kUnitsAtOnce)));
    outcome_.status = PullStatus::kNoMatchedMessage;
    const int64_t end = std::min(outcome_.max_offset, request_.queue->NextFileOffset(request_.offset));
    const int64_t scan_limit = std::max(kMaxScannedUnits, request_.max_messages);
    int64_t scanned = 0, got = 0;
    for (offset_ = request_.offset; !full_ && scanned < scan_limit && offset_ < end; scanned += got) {
      MILLRACE_RETURN_IF_ERROR(ReadUnits(std::min(end - offset_, scan_limit - scanned), &got));
      if (outcome_.would_block) return Status::Ok();
      if (got == 0 && scanned == 0) {
        outcome_.status = PullStatus::kOffsetFoundNull;
        outcome_.next_offset = request_.queue->NextFileOffset(offset_);
        return Status::Ok();
      }
      if (got == 0) break;
      for (int64_t n = 0; n < got && !full_; n++) {
        MILLRACE_RETURN_IF_ERROR(Take(DecodeUnit(units_ + n * kUnitBytes)));
        if (outcome_.would_block) return Status::Ok();
        if (!full_) offset_++;
      }
    }
    outcome_.next_offset = offset_;
    outcome_.suggest_slave = last_pulled_ < log_end_ - near_;
    return Status::Ok();
  }

 private:
  // True when the bounds of the queue are the whole answer.
  bool AnswerBounds() {
    if (request_.queue == nullptr) {
      outcome_.status = PullStatus::kNoMatchedLogicQueue;
      return true;
    }
    const int64_t min = request_.queue->min_offset(),
                  max = store_.VisibleMaxOffset(request_.queue, request_.cached_only);
    if (max < 0) {
      outcome_.would_block = true;
      return true;
    }
    outcome_.min_offset = min;
    outcome_.max_offset = max;
    if (max == 0) {
      outcome_.status = PullStatus::kNoMessageInQueue;
    } else if (request_.offset < min) {
      outcome_.status = PullStatus::kOffsetTooSmall;
      outcome_.next_offset = min;
    } else if (request_.offset >= max) {
      outcome_.status = request_.offset == max ? PullStatus::kOffsetOverflowOne : PullStatus::kOffsetOverflowBadly;
      outcome_.next_offset = max;
    } else {
      return false;
    }
    return true;
  }

  Status ReadUnits(int64_t most, int64_t* got) {
    const int64_t asked =
        request_.tags != nullptr
            ? kUnitsAtOnce
            : std::max<int64_t>(1, request_.max_messages + 1 - static_cast<int64_t>(outcome_.ranges.size()));
    const int64_t count = std::min({kUnitsAtOnce, asked, most});
    Status status = request_.windows != nullptr
                        ? request_.windows->Read(request_.queue, offset_, count, units_, got, request_.cached_only)
                        : request_.queue->Read(offset_, count, units_, got, request_.cached_only);
    // A file that is gone holds as little as one that is cut short.
    if (!status.ok() && status.error_number() != ENOENT) return status;
    outcome_.would_block = *got < 0;
    // One question to the kernel for all records of these units, when they lie close together; one a record otherwise.
    resident_ = !request_.cached_only || !NeedsRecords() || (*got > 0 && ResidentTogether(*got));
    return Status::Ok();
  }

  bool NeedsRecords() const { return request_.copied || request_.tags != nullptr; }

  // Whether what a unit says lies in the log, in one segment. A unit that is damaged may say anything.
  bool LiesInLog(const QueueUnit& unit) {
    if (unit.size < kRecordMinBytes || unit.log_offset < log_min_ || unit.log_offset > log_end_ - unit.size)
      return false;
    if (!segment_ || unit.log_offset < segment_->from() || unit.log_offset >= segment_->end())
      segment_ = CommitLog::FindIn(*segments_, unit.log_offset, log_.segment_bytes());
    return segment_ && unit.size <= segment_->end() - unit.log_offset;
  }

  // Of what lies in segment_.
  bool Resident(int64_t log_offset, int64_t bytes) const {
    return segment_->Open().ok() &&
           segment_->residency().Has(log_offset - segment_->from(), bytes, log_end_ - segment_->from());
  }

  bool ResidentTogether(int64_t units) {
    const QueueUnit first = DecodeUnit(units_), last = DecodeUnit(units_ + (units - 1) * kUnitBytes);
    if (!LiesInLog(last) || !LiesInLog(first)) return false;
    const int64_t end = last.log_offset + last.size, span = end - first.log_offset;
    return span > 0 && span <= kCloseBytes && end <= segment_->end() && Resident(first.log_offset, span);
  }

  // Whether the limits of a pull leave no room for this record. The first one always has room.
  bool IsTooMuch(const QueueUnit& unit) const {
    const StoreOptions& options = store_.options();
    const auto count = static_cast<int64_t>(outcome_.ranges.size());
    if (count == 0) return false;
    const bool far = unit.log_offset < log_end_ - near_;
    const int64_t asked = request_.max_bytes > 0 ? request_.max_bytes : INT64_MAX;
    return count >= std::min(request_.max_messages, far ? options.max_disk_count : options.max_memory_count) ||
           outcome_.bytes + unit.size > std::min(asked, far ? options.max_disk_bytes : options.max_memory_bytes);
  }

  // Until a message is found the last reason for which there was none is the answer, as in RocketMQ.
  Status NothingYet(PullStatus why) {
    if (outcome_.ranges.empty()) outcome_.status = why;
    return Status::Ok();
  }

  Status Take(const QueueUnit& unit) {
    last_pulled_ = unit.log_offset;
    if (unit.log_offset < skip_to_) return Status::Ok();
    full_ = IsTooMuch(unit);
    if (full_) {
      outcome_.next = {unit.log_offset, offset_, unit.size};
      return Status::Ok();
    }
    // What the address of an extension unit stands for says the record too, which is looked at anyhow.
    const bool has_address = IsExtensionAddress(unit.tag_code);
    if (request_.tags != nullptr && !has_address &&
        std::find(request_.tag_hashes->begin(), request_.tag_hashes->end(), static_cast<int32_t>(unit.tag_code)) ==
            request_.tag_hashes->end())
      return NothingYet(PullStatus::kNoMatchedMessage);
    if (!LiesInLog(unit)) {
      // The record has expired, with all of its segment, or the unit is damaged.
      if (unit.size > 0 && unit.log_offset >= 0 && unit.log_offset < log_min_) {
        skip_to_ = (unit.log_offset / log_.segment_bytes() + 1) * log_.segment_bytes();
      } else {
        outcome_.mismatches.push_back(
            {offset_, unit.log_offset, unit.size == 0 ? "was never written" : "points out of the log or of a segment"});
      }
      return NothingYet(PullStatus::kMessageWasRemoving);
    }
    outcome_.would_block = NeedsRecords() && !resident_ && !Resident(unit.log_offset, unit.size);
    if (outcome_.would_block) return Status::Ok();
    const PullRange range{unit.log_offset, offset_, unit.size};
    if (request_.tags != nullptr && (!request_.copied || has_address)) {
      bool wanted = false;
      MILLRACE_RETURN_IF_ERROR(Look(range, &wanted));
      if (!wanted) return Status::Ok();
    }
    outcome_.ranges.push_back(range);
    outcome_.bytes += unit.size;
    outcome_.status = PullStatus::kFound;
    skip_to_ = INT64_MIN;
    return Status::Ok();
  }

  // Looks at a record where it lies, in segment_.
  Status Look(const PullRange& range, bool* wanted) {
    MILLRACE_RETURN_IF_ERROR(segment_->Open());
    const int64_t at = range.log_offset - segment_->from();
    const uint8_t* const record = segment_->base() + at;
    const RecordView view = CheckRecord(record, segment_->bytes() - at, range.log_offset, false);
    std::string mismatch = MismatchOf(*request_.queue, range, record, view, store_.rules());
    const bool tagged = mismatch.empty() && HasTag(request_, view);
    MILLRACE_RETURN_IF_ERROR(segment_->Readable(range.log_offset));
    *wanted = tagged;
    if (!mismatch.empty()) {
      outcome_.mismatches.push_back({range.queue_offset, range.log_offset, std::move(mismatch)});
      return Status::Ok();
    }
    return tagged ? Status::Ok() : NothingYet(PullStatus::kNoMatchedMessage);
  }

  const Store& store_;
  const CommitLog& log_;
  const PullRequest& request_;
  PullOutcome& outcome_;
  const int64_t near_;
  std::shared_ptr<const SegmentList> segments_;
  int64_t log_min_ = 0, log_end_ = 0;
  std::shared_ptr<Segment> segment_;  // that the last unit pointed into
  uint8_t units_[kUnitsAtOnce * kUnitBytes];
  int64_t offset_ = 0, last_pulled_ = 0, skip_to_ = INT64_MIN;
  bool resident_ = false, full_ = false;
};

// A record of a queue is far from the one before it, where the processor doesn't look by itself; once it reads on it
// does.
void Prefetch(const Segment& segment, const PullRange& range) {
  constexpr int32_t kBytes = 1152, kLine = 64;
  if (range.log_offset < segment.from() || range.log_offset >= segment.end()) return;
  const uint8_t* const record = segment.base() + (range.log_offset - segment.from());
  for (int32_t at = 0; at < std::min(range.size, kBytes); at += kLine) __builtin_prefetch(record + at);
}

}  // namespace

int64_t Store::VisibleMaxOffset(ConsumeQueue* queue, bool cached_only) const {
  int64_t high = queue->max_offset();
  if (!options_.visible_when_durable || read_only_) return high;
  // Units rise with the log: the first that ends behind what is on disk is the queue's visible end.
  const int64_t durable = flusher_.flushed();
  int64_t low = queue->min_offset();
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    uint8_t bytes[kUnitBytes];
    int64_t got = 0;
    if (!queue->Read(middle, 1, bytes, &got, cached_only).ok() || got == 0) return low;
    if (got < 0) return -1;
    const QueueUnit unit = DecodeUnit(bytes);
    const bool pre_blank = unit.log_offset == 0 && unit.size == INT32_MAX;
    if (pre_blank || unit.log_offset <= durable - unit.size) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Status Store::Pull(const PullRequest& request, PullOutcome* outcome) const {
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  MILLRACE_RETURN_IF_ERROR(PullScan(*this, log_, request, outcome).Run());
  // What is copied is counted when it has been looked at.
  if (!outcome->would_block && (!request.copied || outcome->ranges.empty())) CountPull(request, *outcome);
  return Status::Ok();
}

void Store::CountPull(const PullRequest& request, const PullOutcome& outcome) const {
  pull_counters_.Count(static_cast<int64_t>(outcome.ranges.size()), outcome.bytes, !request.cached_only,
                       static_cast<int64_t>(outcome.mismatches.size()));
}

Status Store::CopyPulled(const PullRequest& request, PullOutcome* outcome, uint8_t* out) const {
  constexpr size_t kAhead = 3;  // records that are on their way while one is copied
  const std::vector<PullRange>& ranges = outcome->ranges;
  // All copies before the first look at one: a processor that waits for one record from memory goes on to the next.
  Segment* segment = nullptr;
  uint8_t* to = out;
  for (size_t i = 0; i < ranges.size(); i++) {
    const PullRange& range = ranges[i];
    if (segment == nullptr || range.log_offset < segment->from() || range.log_offset >= segment->end()) {
      segment = CommitLog::FindIn(*outcome->segments, range.log_offset, log_.segment_bytes()).get();
      if (segment == nullptr)
        return Status::Error(Code::kUnknownError,
                             "the segment of log offset " + std::to_string(range.log_offset) + " is gone");
      MILLRACE_RETURN_IF_ERROR(segment->Open());
    }
    for (size_t ahead = i == 0 ? 1 : kAhead; ahead <= kAhead; ahead++)
      Prefetch(*segment, i + ahead < ranges.size() ? ranges[i + ahead] : outcome->next);
    MILLRACE_RETURN_IF_ERROR(segment->CopyOut(range.log_offset - segment->from(), to, static_cast<size_t>(range.size)));
    to += range.size;
  }
  const uint8_t* copy = out;
  to = out;
  size_t kept = 0;
  for (const PullRange range : ranges) {
    const RecordView view = CheckRecord(copy, range.size, range.log_offset, false);
    std::string mismatch = MismatchOf(*request.queue, range, copy, view, rules_);
    if (!mismatch.empty()) {
      outcome->mismatches.push_back({range.queue_offset, range.log_offset, std::move(mismatch)});
    } else if (request.tags == nullptr || HasTag(request, view)) {
      if (to != copy) memmove(to, copy, static_cast<size_t>(range.size));
      outcome->ranges[kept++] = range;
      to += range.size;
    }
    copy += range.size;
  }
  if (kept == 0 && !ranges.empty()) outcome->status = PullStatus::kNoMatchedMessage;
  outcome->ranges.resize(kept);
  outcome->bytes = to - out;
  CountPull(request, *outcome);
  return Status::Ok();
}

}  // namespace millrace
