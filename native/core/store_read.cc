// Store: reading. No lock is taken on the log: the published position and a snapshot of the segments are all that a
// reader goes by.
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "platform.h"
#include "store.h"

namespace millrace {

namespace {

int64_t MemoryBytes() {
  static const int64_t bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  return bytes > 0 ? bytes : int64_t{24} << 30;
}

// Whether what a unit says lies in the log. A unit that is damaged may say anything.
bool LiesIn(int64_t log_min, int64_t log_end, const QueueUnit& unit) {
  return unit.size > 0 && unit.log_offset >= log_min && unit.log_offset <= log_end - unit.size;
}

}  // namespace

int64_t Store::visible_end() const {
  return options_.visible_when_durable ? std::min(log_.published(), flusher_.flushed()) : log_.published();
}

int64_t Store::VisibleMaxOffset(ConsumeQueue* queue) const {
  int64_t high = queue->max_offset();
  if (!options_.visible_when_durable || read_only_) return high;
  // Units rise with the log: the first that ends behind what is on disk is the queue's visible end.
  const int64_t durable = flusher_.flushed();
  int64_t low = queue->min_offset();
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    uint8_t bytes[kUnitBytes];
    int64_t got = 0;
    if (!queue->Read(middle, 1, bytes, &got).ok() || got != 1) return low;
    const QueueUnit unit = DecodeUnit(bytes);
    if (unit.log_offset <= durable - unit.size) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool Store::Cached(int64_t log_offset, int64_t bytes) const {
  std::shared_ptr<Segment> segment;
  if (!log_.Find(log_offset, &segment).ok() || !segment) return true;
  const int64_t at = log_offset - segment->from();
  return platform::Resident(segment->base() + at, static_cast<size_t>(std::min(bytes, segment->bytes() - at)));
}

namespace {

bool SideQueueOf(const RecordView& view, const ConsumeQueue& queue, int64_t queue_offset, const DispatchRules& rules) {
  const KnownProperties properties = ReadProperties(view.properties);
  for (const auto& side : rules.SideQueues(properties, view.queue_id))
    if (side.topic == queue.topic() && side.queue_offset == queue_offset) return true;
  return false;
}

}  // namespace

Status Store::Pull(const PullRequest& request, PullOutcome* outcome) {
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  ConsumeQueue* const queue = request.queue;
  outcome->next_offset = 0;
  if (queue == nullptr) {
    outcome->status = PullStatus::kNoMatchedLogicQueue;
    return Status::Ok();
  }
  const int64_t min = queue->min_offset(), max = VisibleMaxOffset(queue);
  outcome->min_offset = min;
  outcome->max_offset = max;
  if (max == 0) {
    outcome->status = PullStatus::kNoMessageInQueue;
    return Status::Ok();
  }
  if (request.offset < min) {
    outcome->status = PullStatus::kOffsetTooSmall;
    outcome->next_offset = min;
    return Status::Ok();
  }
  if (request.offset >= max) {
    outcome->status = request.offset == max ? PullStatus::kOffsetOverflowOne : PullStatus::kOffsetOverflowBadly;
    outcome->next_offset = max;
    return Status::Ok();
  }

  constexpr int64_t kCloseBytes = 1 << 20;
  constexpr int64_t kMaxScannedUnits = 800;  // Java's 16,000 bytes of units
  const int64_t scan_limit = std::max(kMaxScannedUnits, request.max_messages);
  const int64_t log_end = visible_end(), log_min = log_.min_offset();
  const int64_t near = MemoryBytes() / 100 * options_.memory_ratio;
  const auto segments = log_.segments();
  const bool look = request.touch_records || request.tags != nullptr;
  uint8_t units[128 * kUnitBytes];
  int64_t offset = request.offset, last_pulled = 0, skip_to = -1, scanned = 0;
  outcome->status = PullStatus::kNoMatchedMessage;
  // Until a message is found the last reason for which there was none is the answer, as in RocketMQ.
  const auto nothing_yet = [&](PullStatus why) {
    if (outcome->ranges.empty()) outcome->status = why;
  };
  bool full = false;
  const int64_t file_end = queue->NextFileOffset(request.offset);
  while (!full && scanned < scan_limit && offset < std::min(max, file_end)) {
    int64_t got = 0;
    const int64_t wanted =
        std::min({int64_t{128}, scan_limit - scanned, max - offset, file_end - offset,
                  request.tags != nullptr
                      ? int64_t{128}
                      : std::max<int64_t>(1, request.max_messages + 1 - static_cast<int64_t>(outcome->ranges.size()))});
    Status read = queue->Read(offset, wanted, units, &got, request.cached_only);
    // A file that is gone holds as little as one that is cut short.
    if (!read.ok() && read.error_number() != ENOENT) return read;
    if (got < 0) {
      outcome->would_block = true;
      return Status::Ok();
    }
    if (got == 0) {
      if (scanned == 0) {
        outcome->status = PullStatus::kOffsetFoundNull;
        outcome->next_offset = queue->NextFileOffset(offset);
        return Status::Ok();
      }
      break;
    }
    // One question to the kernel for all records of these units, when they lie close together; one a record otherwise.
    bool resident = !request.cached_only || !look;
    if (!resident) {
      const QueueUnit first = DecodeUnit(units), last = DecodeUnit(units + (got - 1) * kUnitBytes);
      if (LiesIn(log_min, log_end, first) && LiesIn(log_min, log_end, last)) {
        const int64_t end = last.log_offset + last.size, span = end - first.log_offset;
        const auto segment = CommitLog::FindIn(*segments, first.log_offset, log_.segment_bytes());
        resident =
            segment && span > 0 && span <= kCloseBytes && end <= segment->end() && segment->Open().ok() &&
            platform::Resident(segment->base() + (first.log_offset - segment->from()), static_cast<size_t>(span));
      }
    }
    for (int64_t n = 0; n < got; n++, offset++, scanned++) {
      const QueueUnit unit = DecodeUnit(units + n * kUnitBytes);
      last_pulled = unit.log_offset;
      if (skip_to >= 0 && unit.log_offset < skip_to) continue;
      const bool far = unit.log_offset < log_end - near;
      const auto count = static_cast<int64_t>(outcome->ranges.size());
      if (count > 0) {
        const int64_t bytes_limit = far ? options_.max_disk_bytes : options_.max_memory_bytes;
        const int64_t count_limit = far ? options_.max_disk_count : options_.max_memory_count;
        const int64_t asked = request.max_bytes > 0 ? request.max_bytes : INT64_MAX;
        if (count >= std::min(request.max_messages, count_limit) ||
            outcome->bytes + unit.size > std::min(bytes_limit, asked)) {
          full = true;
          break;
        }
      }
      const bool is_address = unit.tag_code < INT32_MIN;
      if (request.tags != nullptr && !is_address) {
        const auto code = static_cast<int32_t>(unit.tag_code);
        if (std::find(request.tag_hashes->begin(), request.tag_hashes->end(), code) == request.tag_hashes->end()) {
          nothing_yet(PullStatus::kNoMatchedMessage);
          continue;
        }
      }
      if (!LiesIn(log_min, log_end, unit)) {
        // The record has expired, with all of its segment, or the unit is damaged.
        nothing_yet(PullStatus::kMessageWasRemoving);
        if (unit.size > 0 && unit.log_offset >= 0 && unit.log_offset < log_min) {
          skip_to = (unit.log_offset / log_.segment_bytes() + 1) * log_.segment_bytes();
        } else {
          outcome->mismatches.push_back(
              {offset, unit.log_offset, unit.size == 0 ? "was never written" : "points out of the log"});
        }
        continue;
      }
      if (look) {
        const auto segment = CommitLog::FindIn(*segments, unit.log_offset, log_.segment_bytes());
        if (!segment) {
          nothing_yet(PullStatus::kMessageWasRemoving);
          continue;
        }
        MILLRACE_RETURN_IF_ERROR(segment->Open());
        const int64_t at = unit.log_offset - segment->from();
        if (!resident && !platform::Resident(segment->base() + at, static_cast<size_t>(std::min<int64_t>(
                                                                       unit.size, segment->bytes() - at)))) {
          outcome->would_block = true;
          return Status::Ok();
        }
        const RecordView view = CheckRecord(segment->base() + at, segment->bytes() - at, unit.log_offset, false);
        std::string reason;
        if (segment->damaged()) {
          return Status::Error(Code::kPageUnreadable, "a page of the segment can't be read", segment->path(),
                               unit.log_offset);
        } else if (view.found != Found::kRecord) {
          reason = std::string("points to ") + FoundName(view.found);
        } else if (view.size != unit.size) {
          reason = "says " + std::to_string(unit.size) + " bytes, the record has " + std::to_string(view.size);
        } else if ((view.topic != queue->topic() || view.queue_id != queue->queue_id() ||
                    view.queue_offset != offset) &&
                   !SideQueueOf(view, *queue, offset, rules_)) {
          reason = "points to message " + std::to_string(view.queue_offset) + " of queue " +
                   std::to_string(view.queue_id) + " of topic '" + std::string(view.topic) + "'";
        }
        if (!reason.empty()) {
          outcome->mismatches.push_back({offset, unit.log_offset, std::move(reason)});
          continue;
        }
        if (request.tags != nullptr) {
          const std::string_view tags = ReadProperties(view.properties).tags;
          if (std::find(request.tags->begin(), request.tags->end(), tags) == request.tags->end()) {
            nothing_yet(PullStatus::kNoMatchedMessage);
            continue;
          }
        }
      }
      outcome->ranges.push_back({unit.log_offset, offset, unit.size});
      outcome->bytes += unit.size;
      outcome->status = PullStatus::kFound;
      skip_to = -1;
    }
  }
  outcome->next_offset = offset;
  outcome->suggest_slave = last_pulled < log_end - near;
  return Status::Ok();
}

Status Store::CopyRanges(const std::vector<PullRange>& ranges, uint8_t* out) const {
  const auto segments = log_.segments();
  for (const auto& range : ranges) {
    const auto segment = CommitLog::FindIn(*segments, range.log_offset, log_.segment_bytes());
    if (!segment)
      return Status::Error(Code::kUnknownError,
                           "the segment of log offset " + std::to_string(range.log_offset) + " is gone");
    if (!segment->CopyOut(range.log_offset - segment->from(), out, static_cast<size_t>(range.size)))
      return Status::Error(Code::kPageUnreadable, "a page of the segment can't be read", segment->path(),
                           range.log_offset);
    out += range.size;
  }
  return Status::Ok();
}

Status Store::RecordAt(int64_t log_offset, bool cached_only, int32_t* size, bool* cached) const {
  *size = 0;
  *cached = true;
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  const int64_t end = visible_end();
  if (log_offset < log_.min_offset() || log_offset + kRecordMinBytes > end) return Status::Ok();
  std::shared_ptr<Segment> segment;
  MILLRACE_RETURN_IF_ERROR(log_.Find(log_offset, &segment));
  if (!segment) return Status::Ok();
  const int64_t at = log_offset - segment->from();
  if (cached_only && !platform::Resident(segment->base() + at, 8)) {
    *cached = false;
    return Status::Ok();
  }
  const int64_t available = std::min(segment->bytes() - at, end - log_offset);
  if (cached_only && available >= 8) {
    const int64_t claimed = std::clamp<int64_t>(GetI32(segment->base() + at), 8, available);
    if (!platform::Resident(segment->base() + at, static_cast<size_t>(claimed))) {
      *cached = false;
      return Status::Ok();
    }
  }
  const RecordView view = CheckRecord(segment->base() + at, available, log_offset, false);
  if (segment->damaged())
    return Status::Error(Code::kPageUnreadable, "a page of the segment can't be read", segment->path(), log_offset);
  if (view.found == Found::kRecord) *size = view.size;
  return Status::Ok();
}

Status Store::LogRange(int64_t log_offset, int64_t limit, int64_t* start, int64_t* bytes, int64_t* next) const {
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  const int64_t end = visible_end();
  *start = std::max(log_offset, log_.min_offset());
  *bytes = 0;
  *next = *start;
  while (*next < end) {
    std::shared_ptr<Segment> segment;
    MILLRACE_RETURN_IF_ERROR(log_.Find(*next, &segment));
    if (!segment) break;
    const int64_t at = *next - segment->from();
    const RecordView view =
        CheckRecord(segment->base() + at, std::min(segment->bytes() - at, end - *next), *next, false);
    if (segment->damaged())
      return Status::Error(Code::kPageUnreadable, "a page of the segment can't be read", segment->path(), *next);
    if (view.found == Found::kBlank) {
      *next = segment->end();
      if (*bytes > 0) return Status::Ok();
      *start = *next;
      continue;
    }
    if (view.found != Found::kRecord)
      return *bytes > 0 ? Status::Ok()
                        : Status::Error(Code::kCorruptLog, std::string("here lies ") + FoundName(view.found),
                                        segment->path(), *next);
    if (*bytes > 0 && *bytes + view.size > limit) return Status::Ok();
    *bytes += view.size;
    *next += view.size;
  }
  return Status::Ok();
}

}  // namespace millrace
