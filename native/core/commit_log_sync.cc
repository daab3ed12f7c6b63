// The commit log: making it durable.
#include <algorithm>

#include "commit_log.h"
#include "platform.h"

namespace millrace {

using platform::kLargePageBytes;

Status CommitLog::SyncNames() {
  std::lock_guard lock(names_mutex_);
  if (names_failure_.ok() && directory_dirty_.exchange(false, std::memory_order_acq_rel))
    names_failure_ = directories_.Sync();
  return names_failure_;
}

Status CommitLog::ForEachPiece(int64_t from, int64_t to,
                               const std::function<Status(Segment&, int64_t file_offset, int64_t bytes)>& visit) {
  const auto list = segments();
  for (const auto& segment : *list) {
    const int64_t begin = std::max(from, segment->from()), end = std::min(to, segment->end());
    if (begin >= end) continue;
    MILLRACE_RETURN_IF_ERROR(segment->Open());
    MILLRACE_RETURN_IF_ERROR(visit(*segment, begin - segment->from(), end - begin).At(segment->path()));
  }
  return Status::Ok();
}

Status CommitLog::Sync(int64_t from, int64_t to) {
  MILLRACE_RETURN_IF_ERROR(SyncNames());
  return ForEachPiece(from, to, [this](Segment& segment, int64_t, int64_t) { return files_->SyncData(segment.fd()); });
}

void CommitLog::StartWriteBack(int64_t from, int64_t to) {
  (void)ForEachPiece(from, to, [this](Segment& segment, int64_t file_offset, int64_t bytes) {
    files_->StartWriteBack(segment.fd(), file_offset, bytes);
    return Status::Ok();
  });
}

void CommitLog::DropFromTable(int64_t from, int64_t to) {
  // Of a large page all or nothing: a part of it would take its whole entry.
  (void)ForEachPiece(from & ~(kLargePageBytes - 1), to & ~(kLargePageBytes - 1),
                     [this](Segment& segment, int64_t file_offset, int64_t bytes) {
                       files_->DropFromTable(segment.base() + file_offset, static_cast<size_t>(bytes));
                       return Status::Ok();
                     });
}

Status CommitLog::InMemory(int64_t from, int64_t to, std::vector<LogRange>* ranges) {
  constexpr int64_t kLookBytes = 1 << 20;
  return ForEachPiece(from, to, [&](Segment& segment, int64_t file_offset, int64_t bytes) {
    for (const int64_t end = file_offset + bytes; file_offset < end;) {
      const int64_t next = std::min(end, (file_offset / kLookBytes + 1) * kLookBytes);
      if (platform::PartlyResident(segment.base() + file_offset, static_cast<size_t>(next - file_offset)))
        ranges->push_back({segment.from() + file_offset, segment.from() + next});
      file_offset = next;
    }
    return Status::Ok();
  });
}

Status CommitLog::Rewrite(const std::vector<LogRange>& ranges, int64_t end) {
  std::vector<uint8_t> copy(4 << 20);
  for (const LogRange& range : ranges)
    MILLRACE_RETURN_IF_ERROR(
        ForEachPiece(range.from, std::min(range.to, end), [&](Segment& segment, int64_t file_offset, int64_t bytes) {
          return RewritePiece(segment, file_offset, file_offset + bytes, &copy);
        }));
  return Status::Ok();
}

Status CommitLog::RewritePiece(Segment& segment, int64_t file_offset, int64_t end, std::vector<uint8_t>* copy) {
  while (file_offset < end) {
    const auto length = static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(copy->size()), end - file_offset));
    MILLRACE_RETURN_IF_ERROR(segment.CopyOut(file_offset, copy->data(), length));
    MILLRACE_RETURN_IF_ERROR(files_->Write(segment.fd(), copy->data(), length, file_offset));
    files_->StartWriteBack(segment.fd(), file_offset, static_cast<int64_t>(length));
    file_offset += static_cast<int64_t>(length);
  }
  return Status::Ok();
}

}  // namespace millrace
