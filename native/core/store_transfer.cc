// Store: ranges of the log for whom they are sent to.
#include <algorithm>
#include <string>

#include "store.h"

namespace millrace {

Status Store::LocateRanges(const std::vector<LogRange>& ranges, TransferItem* item, bool* cached) const {
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  const auto segments = log_.segments();
  const int64_t begin = segments->empty() ? log_.published() : segments->front()->from(), end = visible_end();
  Segment* segment = nullptr;
  *cached = true;
  for (const auto& [from, to] : ranges) {
    if (to < from || from < begin || to > end)
      return Status::Error(Code::kRangeGone,
                           "log offsets " + std::to_string(from) + " to " + std::to_string(to) +
                               " are not in the log, which has " + std::to_string(begin) + " to " + std::to_string(end),
                           paths_.root, begin);
    for (int64_t at = from; at < to;) {
      if (segment == nullptr || at < segment->from() || at >= segment->end()) {
        item->segments.push_back(CommitLog::FindIn(*segments, at, log_.segment_bytes()));
        segment = item->segments.back().get();
        MILLRACE_RETURN_IF_ERROR(segment->Open());
      }
      const int64_t file_offset = at - segment->from();
      const int64_t here = std::min(to - at, segment->bytes() - file_offset);
      *cached = *cached && segment->residency().Has(file_offset, here, end - segment->from());
      TransferRange* const last = item->ranges.empty() ? nullptr : &item->ranges.back();
      if (last != nullptr && last->segment == segment && last->file_offset + last->bytes == file_offset) {
        last->bytes += here;
      } else {
        item->ranges.push_back({segment, file_offset, here});
      }
      at += here;
    }
  }
  return Status::Ok();
}

}  // namespace millrace
