// The commit log: reading it by log offset.
#include <algorithm>

#include "commit_log.h"

namespace millrace {

std::shared_ptr<Segment> CommitLog::FindIn(const SegmentList& segments, int64_t log_offset, int64_t segment_bytes) {
  if (segments.empty() || log_offset < segments.front()->from() || log_offset >= segments.back()->end()) return nullptr;
  return segments[static_cast<size_t>((log_offset - segments.front()->from()) / segment_bytes)];
}

Status CommitLog::Find(int64_t log_offset, std::shared_ptr<Segment>* out) const {
  *out = FindIn(*segments(), log_offset, options_.segment_bytes);
  return *out ? (*out)->Open() : Status::Ok();
}

Status CommitLog::Copy(int64_t log_offset, int64_t limit, int64_t end, std::vector<uint8_t>* bytes) const {
  std::shared_ptr<Segment> segment;
  if (log_offset < min_offset() || log_offset >= end || limit <= 0) return Status::Ok();
  MILLRACE_RETURN_IF_ERROR(Find(log_offset, &segment));
  if (!segment) return Status::Ok();
  bytes->resize(static_cast<size_t>(std::min({limit, segment->end() - log_offset, end - log_offset})));
  return segment->CopyOut(log_offset - segment->from(), bytes->data(), bytes->size());
}

Status CommitLog::CopyRecords(int64_t log_offset, int64_t limit, int64_t end, LogPiece* piece) const {
  int64_t bytes = 0;
  piece->start = piece->next = std::max(log_offset, min_offset());
  while (piece->next < end) {
    std::shared_ptr<Segment> segment;
    MILLRACE_RETURN_IF_ERROR(Find(piece->next, &segment));
    if (!segment) break;
    const int64_t at = piece->next - segment->from();
    const RecordView view =
        CheckRecord(segment->base() + at, std::min(segment->bytes() - at, end - piece->next), piece->next, false);
    MILLRACE_RETURN_IF_ERROR(segment->Readable(piece->next));
    if (view.found == Found::kBlank) {
      piece->next = segment->end();
      if (bytes > 0) break;
      piece->start = piece->next;
    } else if (view.found == Found::kRecord) {
      if (bytes > 0 && bytes + view.size > limit) break;
      bytes += view.size;
      piece->next += view.size;
    } else if (bytes > 0) {
      break;
    } else {
      return Status::Error(Code::kCorruptLog, std::string("here lies ") + FoundName(view.found), segment->path(),
                           piece->next);
    }
  }
  return Copy(piece->start, bytes, end, &piece->bytes);
}

}  // namespace millrace
