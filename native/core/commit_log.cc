// The commit log: its segments as a list. commit_log_append.cc writes to them, commit_log_read.cc reads,
// commit_log_sync.cc makes them durable.
#include "commit_log.h"

#include <algorithm>

#include "data_pages.h"
#include "store_paths.h"
#include "zeros.h"

namespace millrace {

CommitLog::CommitLog(FileSystem* files, Options options)
    : files_(files),
      options_(std::move(options)),
      directories_(files, options_.directories, options_.full_above),
      keeper_(files, &directories_, options_.segment_bytes, options_.populate_above),
      segments_(std::make_shared<SegmentList>()) {}

Status CommitLog::Load() {
  std::vector<LogDirectories::File> entries;
  MILLRACE_RETURN_IF_ERROR(directories_.List(&entries));
  auto segments = std::make_shared<SegmentList>();
  for (const auto& entry : entries) {
    const std::string& path = entry.path;
    int64_t from = 0;
    if (entry.kind == DirectoryEntry::Kind::kLink)
      return Status::Error(Code::kUnsafePath, "is a symbolic link among the segments", path);
    if (entry.kind != DirectoryEntry::Kind::kFile || !ParseSegmentName(entry.name, &from))
      return Status::Error(Code::kForeignFile,
                           "does not belong among the segments: RocketMQ refuses a store with it, move it away", path);
    FileInfo info;
    bool exists = false;
    MILLRACE_RETURN_IF_ERROR(files_->Stat(path, &info, &exists));
    if (!exists) continue;  // another process's retention
    if (info.bytes == 0 && &entry == &entries.back()) {
      empty_last_ = path;  // 5.x removes it, 4.9 refuses to start
      continue;
    }
    if (info.bytes != options_.segment_bytes)
      return Status::Error(Code::kSegmentSizeMismatch,
                           "has " + std::to_string(info.bytes) + " bytes, and mappedFileSizeCommitLog is " +
                               std::to_string(options_.segment_bytes),
                           path, info.bytes);
    if (from % options_.segment_bytes != 0 || from > INT64_MAX - 2 * options_.segment_bytes ||
        (!segments->empty() && segments->back()->end() != from))
      return Status::Error(Code::kForeignFile, "does not follow the segment before it", path, from);
    segments->push_back(std::make_shared<Segment>(files_, path, from, options_.segment_bytes, options_.writable));
  }
  // Whoever made them may have died before their names were on disk.
  directory_dirty_ = options_.writable && !segments->empty();
  std::lock_guard lock(segments_lock_);
  segments_ = std::move(segments);
  return Status::Ok();
}

Status CommitLog::Refresh() {
  const auto known = segments();
  const int64_t next = known->empty() ? -1 : known->back()->end();
  std::vector<LogDirectories::File> entries;
  MILLRACE_RETURN_IF_ERROR(directories_.List(&entries));
  auto segments = std::make_shared<SegmentList>(*known);
  const auto is_there = [&](const auto& segment) {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const auto& entry) { return entry.name == SegmentName(segment->from()); });
  };
  while (segments->size() > 1 && !is_there(segments->front())) segments->erase(segments->begin());
  for (const auto& entry : entries) {
    int64_t from = 0;
    if (!ParseSegmentName(entry.name, &from) || from < next) continue;
    if (!segments->empty() && segments->back()->end() != from) break;
    const std::string& path = entry.path;
    FileInfo info;
    bool exists = false;
    MILLRACE_RETURN_IF_ERROR(files_->Stat(path, &info, &exists));
    if (!exists || info.bytes != options_.segment_bytes) break;  // a Java store is still giving it its length
    segments->push_back(std::make_shared<Segment>(files_, path, from, options_.segment_bytes, false));
  }
  std::lock_guard lock(segments_lock_);
  segments_ = std::move(segments);
  return Status::Ok();
}

Status CommitLog::Start(int64_t end) {
  end_ = end;
  Publish(end);
  if (!options_.writable) return Status::Ok();
  // A segment that begins exactly at the end is kept, as Java keeps it; those behind it go, like Java's own truncation:
  // the last one first and each for good, so that no crash leaves one that follows nothing.
  auto kept = std::make_shared<SegmentList>(*segments());
  while (!kept->empty() && kept->back()->from() > end) {
    MILLRACE_RETURN_IF_ERROR(files_->Unlink(kept->back()->path()));
    kept->pop_back();
    directory_dirty_ = true;
    MILLRACE_RETURN_IF_ERROR(SyncNames());
  }
  {
    std::lock_guard lock(segments_lock_);
    segments_ = kept;
  }
  if (!kept->empty() && kept->back()->end() > end) {
    tail_ = kept->back();
    MILLRACE_RETURN_IF_ERROR(tail_->Open());
    MILLRACE_RETURN_IF_ERROR(ZeroBehind(end));
    keeper_.Follow(tail_, end - tail_->from());
  }
  return keeper_.Start();
}

void CommitLog::Stop() { keeper_.Stop(); }

// What an earlier run left behind the end would be read as records once the log has grown over part of it. Only pages
// that hold something are written.
Status CommitLog::ZeroBehind(int64_t end) {
  bool written = false;
  MILLRACE_RETURN_IF_ERROR(ForEachDataPage(files_, tail_->fd(), end - tail_->from(), tail_->bytes(),
                                           [&](int64_t at, const uint8_t*, size_t length, bool*) {
                                             written = true;
                                             return WriteZeros(files_, tail_->fd(), at,
                                                               at + static_cast<int64_t>(length));
                                           })
                               .At(tail_->path()));
  // Else a power cut could bring back what was given up, behind what is appended now.
  return written ? files_->SyncData(tail_->fd()) : Status::Ok();
}

std::shared_ptr<const SegmentList> CommitLog::segments() const {
  std::lock_guard lock(segments_lock_);
  return segments_;
}

int64_t CommitLog::min_offset() const {
  const auto list = segments();
  return list->empty() ? published() : list->front()->from();
}

void CommitLog::Adopt(std::shared_ptr<Segment> segment) {
  directory_dirty_.store(true, std::memory_order_release);
  std::lock_guard lock(segments_lock_);
  auto list = std::make_shared<SegmentList>(*segments_);
  list->push_back(std::move(segment));
  segments_ = std::move(list);
}

Status CommitLog::DeleteOldest() {
  const std::shared_ptr<Segment> oldest = segments()->front();
  MILLRACE_RETURN_IF_ERROR(oldest->Open());  // or who opens it late would find no file
  MILLRACE_RETURN_IF_ERROR(files_->Unlink(oldest->path()));
  directory_dirty_.store(true, std::memory_order_release);
  {
    std::lock_guard lock(segments_lock_);
    segments_ = std::make_shared<SegmentList>(segments_->begin() + 1, segments_->end());
  }
  // Before the next one goes: no power cut leaves a log with a hole.
  return SyncNames();
}

// Makes sure that the segment starting at `from` exists: it is the last one or the one after it.
Status CommitLog::EnsureSegment(int64_t from) {
  const auto list = segments();
  if (!list->empty() && list->back()->from() >= from) {
    std::shared_ptr<Segment> segment;
    return Find(from, &segment);
  }
  // The name of the segment before, if a sync has not covered it yet: a crash must not leave the second without the
  // first.
  MILLRACE_RETURN_IF_ERROR(SyncNames());
  std::shared_ptr<Segment> made;
  MILLRACE_RETURN_IF_ERROR(keeper_.Take(from, &made));
  Adopt(std::move(made));
  return Status::Ok();
}

}  // namespace millrace
