// Store: reading by log offset; store_pull.cc reads queues. No lock is taken on the log: the published position and a
// snapshot of the segments are all that a reader goes by.
#include <algorithm>

#include "platform.h"
#include "store.h"

namespace millrace {

int64_t Store::visible_end() const {
  return options_.visible_when_durable ? std::min(log_.published(), flusher_.flushed()) : log_.published();
}

bool Store::Cached(int64_t log_offset, int64_t bytes) const {
  std::shared_ptr<Segment> segment;
  if (!log_.Find(log_offset, &segment).ok() || !segment) return true;
  const int64_t at = log_offset - segment->from();
  return platform::Resident(segment->base() + at, static_cast<size_t>(std::min(bytes, segment->bytes() - at)));
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
  MILLRACE_RETURN_IF_ERROR(segment->Readable(log_offset));
  if (view.found == Found::kRecord) *size = view.size;
  return Status::Ok();
}

}  // namespace millrace
