// Store: ranges of the log for whom they are sent to.
#include <algorithm>
#include <string>

#include "store.h"

namespace millrace {

Status Store::LocateRanges(const std::vector<LogRange>& ranges, TransferItem* item, bool* cached) const {
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  const auto segments = log_.segments();
  const int64_t begin = segments->empty() ? log_.published() : segments->front()->from(), end = visible_end();
  Segment* current = nullptr;
  for (const auto& [from, to] : ranges) {
    if (to < from || from < begin || to > end)
      return Status::Error(Code::kRangeGone,
                           "log offsets " + std::to_string(from) + " to " + std::to_string(to) +
                               " are not in the log, which has " + std::to_string(begin) + " to " + std::to_string(end),
                           paths_.root, begin);
    for (int64_t at = from; at < to;) {
      if (current == nullptr || at < current->from() || at >= current->end()) {
        item->segments.push_back(CommitLog::FindIn(*segments, at, log_.segment_bytes()));
        current = item->segments.back().get();
        MILLRACE_RETURN_IF_ERROR(current->Open());
      }
      const int64_t file_offset = at - current->from();
      const int64_t here = std::min(to - at, current->bytes() - file_offset);
      TransferRange* const last = item->ranges.empty() ? nullptr : &item->ranges.back();
      if (last != nullptr && last->segment == current && last->file_offset + last->bytes == file_offset) {
        last->bytes += here;
      } else {
        item->ranges.push_back({current, file_offset, here});
      }
      at += here;
    }
  }
  *cached = true;
  // Not for each: records that follow one another are one range now.
  for (const auto& [segment, at, bytes] : item->ranges)
    *cached = *cached && segment->residency().Has(at, bytes, end - segment->from());
  return Status::Ok();
}

}  // namespace millrace
