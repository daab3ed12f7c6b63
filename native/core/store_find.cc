// Store: finding messages by key and by time. Both read records, which may have to come from disk.
#include <algorithm>
#include <unordered_set>

#include "store.h"

namespace millrace {

namespace {

// An index entry's time is cut to whole seconds.
constexpr int64_t kIndexTickMs = 1000;
// Most records end within so much.
constexpr int64_t kReadBytes = 16384;

bool HasKey(const RecordView& view, std::string_view key) {
  const KnownProperties properties = ReadProperties(view.properties);
  if (properties.unique_key == key) return true;
  for (std::string_view rest = properties.keys; !rest.empty();) {
    const size_t end = rest.find(' ');
    if (rest.substr(0, end) == key) return true;
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

Status Store::ViewAt(int64_t log_offset, RecordView* view, std::shared_ptr<Segment>* segment) const {
  *view = {};
  const int64_t end = visible_end();
  if (log_offset < log_.min_offset() || log_offset + kRecordMinBytes > end) return Status::Ok();
  MILLRACE_RETURN_IF_ERROR(log_.Find(log_offset, segment));
  if (!*segment) return Status::Ok();
  const int64_t at = log_offset - (*segment)->from(), bytes = std::min((*segment)->bytes() - at, end - log_offset);
  // A fault reads megabytes around it, as for a stream; of a record on its own only what is looked at is read.
  const int64_t head = std::min(bytes, kReadBytes);
  if (!(*segment)->residency().Has(at, head, end - (*segment)->from()))
    MILLRACE_RETURN_IF_ERROR((*segment)->ReadIn(at, head));
  *view = CheckRecord((*segment)->base() + at, bytes, log_offset, false);
  return (*segment)->Readable(log_offset);
}

Status Store::FindKey(const KeyRequest& request, std::vector<int64_t>* log_offsets) const {
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  if (request.limit == 0) return Status::Ok();
  const int64_t begin = std::max<int64_t>(0, request.begin - kIndexTickMs);
  std::unordered_set<int64_t> seen;  // a message may have a key twice
  // What other keys of the same hash take from the answers is asked for again.
  for (size_t asked = request.limit;; asked *= 2) {
    std::vector<int64_t> candidates;
    MILLRACE_RETURN_IF_ERROR(index_.Query(request.topic, request.key, asked, begin, request.end, &candidates));
    for (const int64_t log_offset : candidates) {
      if (log_offsets->size() == request.limit) return Status::Ok();
      if (!seen.insert(log_offset).second) continue;
      RecordView view;
      std::shared_ptr<Segment> segment;
      MILLRACE_RETURN_IF_ERROR(ViewAt(log_offset, &view, &segment));
      if (view.found == Found::kRecord && view.topic == request.topic && HasKey(view, request.key) &&
          view.store_timestamp >= request.begin && view.store_timestamp <= request.end)
        log_offsets->push_back(log_offset);
    }
    if (candidates.size() < asked) return Status::Ok();
  }
}

// -1 for a unit whose record is gone.
Status Store::UnitTime(ConsumeQueue* queue, int64_t queue_offset, int64_t* time) const {
  *time = -1;
  uint8_t bytes[kUnitBytes];
  int64_t got = 0;
  MILLRACE_RETURN_IF_ERROR(queue->Read(queue_offset, 1, bytes, &got));
  if (got == 0) return Status::Ok();
  RecordView view;
  std::shared_ptr<Segment> segment;
  MILLRACE_RETURN_IF_ERROR(ViewAt(DecodeUnit(bytes).log_offset, &view, &segment));
  if (view.found == Found::kRecord) *time = view.store_timestamp;
  return Status::Ok();
}

// The first queue offset in [low, high) whose message was stored at `time` or later; `high` when there is none.
Status Store::FirstSince(ConsumeQueue* queue, int64_t low, int64_t high, int64_t time, int64_t* offset) const {
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    int64_t stored = 0;
    MILLRACE_RETURN_IF_ERROR(UnitTime(queue, middle, &stored));
    if (stored < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  *offset = low;
  return Status::Ok();
}

// RocketMQ 4.9 takes one file of the queue and searches it; of messages with the very time it finds whichever its
// bisection meets. It chooses the file by its modification time, which is that of its last message unless somebody has
// copied the file: the message itself is asked here.
Status Store::NearestTo(ConsumeQueue* queue, int64_t min, int64_t max, int64_t time, int64_t* offset) const {
  int64_t low = min, file_end = queue->NextFileOffset(min);
  for (; file_end < max; low = file_end, file_end = queue->NextFileOffset(file_end)) {
    int64_t last = 0;
    MILLRACE_RETURN_IF_ERROR(UnitTime(queue, file_end - 1, &last));
    if (last >= time) break;
  }
  int64_t high = std::min(file_end, max) - 1, before = -1, behind = -1, before_time = 0, behind_time = 0;
  *offset = low;
  while (low <= high) {
    const int64_t middle = low + (high - low) / 2;
    int64_t stored = 0;
    MILLRACE_RETURN_IF_ERROR(UnitTime(queue, middle, &stored));
    if (stored == time) {
      *offset = middle;
      return Status::Ok();
    }
    if (stored > time) {
      behind = middle;
      behind_time = stored;
      high = middle - 1;
    } else {
      before = middle;
      before_time = stored;
      low = middle + 1;
    }
  }
  const bool take_before =
      before >= 0 && (behind < 0 || (before_time >= 0 && time - before_time <= behind_time - time));
  *offset = take_before ? before : behind;
  return Status::Ok();
}

Status Store::OffsetByTime(ConsumeQueue* queue, int64_t time, TimeRule rule, int64_t* offset) const {
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  const int64_t min = queue->min_offset(), max = VisibleMaxOffset(queue);
  *offset = max;
  if (min >= max) return Status::Ok();
  switch (rule) {
    case TimeRule::kLower:
      return FirstSince(queue, min, max, time, offset);
    case TimeRule::kUpper:
      MILLRACE_RETURN_IF_ERROR(FirstSince(queue, min, max, time + 1, offset));
      *offset = std::max(min, *offset - 1);
      return Status::Ok();
    case TimeRule::kNearest:
      return NearestTo(queue, min, max, time, offset);
  }
  return Status::Ok();
}

Status Store::TimeSpan(ConsumeQueue* queue, int64_t* earliest, int64_t* latest) const {
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  *earliest = *latest = -1;
  if (queue != nullptr) {
    const int64_t max = VisibleMaxOffset(queue);
    if (queue->min_offset() >= max) return Status::Ok();
    MILLRACE_RETURN_IF_ERROR(UnitTime(queue, queue->min_offset(), earliest));
    return UnitTime(queue, max - 1, latest);
  }
  RecordView view;
  std::shared_ptr<Segment> segment;
  MILLRACE_RETURN_IF_ERROR(ViewAt(log_.min_offset(), &view, &segment));
  if (view.found != Found::kRecord) return Status::Ok();
  *earliest = view.store_timestamp;
  *latest = last_timestamp_.load(std::memory_order_relaxed);
  return Status::Ok();
}

}  // namespace millrace
