#include "commit_log.h"

#include <algorithm>

#include "store_paths.h"

namespace millrace {

namespace {

constexpr size_t kGatherBytes = 256 << 10;
constexpr int64_t kPageBytes = 4096;
constexpr int64_t kZeroBytes = 256 << 10;
constexpr auto kZeroInterval = std::chrono::milliseconds(4);

Status CheckCopied(const Segment& segment, int64_t file_offset) {
  if (!segment.damaged()) [[likely]]
    return Status::Ok();
  return Status::Error(Code::kPageUnreadable, "a page of the segment could not be written", segment.path(),
                       segment.from() + file_offset);
}

}  // namespace

CommitLog::CommitLog(FileSystem* files, Options options)
    : files_(files),
      options_(std::move(options)),
      keeper_(files, options_.work_directory, options_.segment_bytes, options_.populate),
      segments_(std::make_shared<SegmentList>()) {}

Status CommitLog::Load() {
  std::vector<DirectoryEntry> entries;
  MILLRACE_RETURN_IF_ERROR(files_->List(options_.directory, &entries));
  auto segments = std::make_shared<SegmentList>();
  for (const auto& entry : entries) {
    const std::string path = options_.directory + "/" + entry.name;
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
    if (from % options_.segment_bytes != 0 || (!segments->empty() && segments->back()->end() != from))
      return Status::Error(Code::kForeignFile, "does not follow the segment before it", path, from);
    segments->push_back(std::make_shared<Segment>(files_, path, from, options_.segment_bytes, options_.writable));
  }
  std::lock_guard lock(segments_mutex_);
  segments_ = std::move(segments);
  return Status::Ok();
}

Status CommitLog::Refresh() {
  const auto known = segments();
  const int64_t next = known->empty() ? -1 : known->back()->end();
  std::vector<DirectoryEntry> entries;
  MILLRACE_RETURN_IF_ERROR(files_->List(options_.directory, &entries));
  auto segments = std::make_shared<SegmentList>(*known);
  for (const auto& entry : entries) {
    int64_t from = 0;
    if (!ParseSegmentName(entry.name, &from) || from < next) continue;
    if (!segments->empty() && segments->back()->end() != from) break;
    segments->push_back(
        std::make_shared<Segment>(files_, options_.directory + "/" + entry.name, from, options_.segment_bytes, false));
  }
  std::lock_guard lock(segments_mutex_);
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
    std::lock_guard lock(segments_mutex_);
    segments_ = kept;
  }
  if (!kept->empty() && kept->back()->end() > end) {
    tail_ = kept->back();
    MILLRACE_RETURN_IF_ERROR(tail_->Open());
    MILLRACE_RETURN_IF_ERROR(ZeroBehind(end));
    keeper_.Follow(tail_, end - tail_->from());
  }
  keeper_.Start();
  return Status::Ok();
}

void CommitLog::Stop() { keeper_.Stop(); }

// What an earlier run left behind the end would be read as records once the log has grown over part of it. Only pages
// that hold something are written.
Status CommitLog::ZeroBehind(int64_t end) {
  static const uint8_t zeros[4096] = {};
  bool written = false;
  for (int64_t at = end - tail_->from(); at < tail_->bytes();) {
    int64_t data = at;
    MILLRACE_RETURN_IF_ERROR(files_->NextData(tail_->fd(), at, &data));
    at = std::max(at, data);
    if (at >= tail_->bytes()) break;
    const int64_t length = std::min<int64_t>(4096 - at % 4096, tail_->bytes() - at);
    if (memcmp(tail_->base() + at, zeros, static_cast<size_t>(length)) != 0) {
      MILLRACE_RETURN_IF_ERROR(files_->Write(tail_->fd(), zeros, static_cast<size_t>(length), at));
      written = true;
    }
    at += length;
  }
  if (tail_->damaged())
    return Status::Error(Code::kPageUnreadable, "a page behind the end of the log can't be read", tail_->path(), end);
  // Else a power cut could bring back what was given up, behind what is appended now.
  return written ? files_->SyncData(tail_->fd()) : Status::Ok();
}

std::shared_ptr<const SegmentList> CommitLog::segments() const {
  std::lock_guard lock(segments_mutex_);
  return segments_;
}

int64_t CommitLog::min_offset() const {
  const auto list = segments();
  return list->empty() ? published() : list->front()->from();
}

std::shared_ptr<Segment> CommitLog::FindIn(const SegmentList& segments, int64_t log_offset, int64_t segment_bytes) {
  if (segments.empty() || log_offset < segments.front()->from() || log_offset >= segments.back()->end()) return nullptr;
  return segments[static_cast<size_t>((log_offset - segments.front()->from()) / segment_bytes)];
}

Status CommitLog::Find(int64_t log_offset, std::shared_ptr<Segment>* out) const {
  *out = FindIn(*segments(), log_offset, options_.segment_bytes);
  return *out ? (*out)->Open() : Status::Ok();
}

Status CommitLog::Adopt(std::shared_ptr<Segment> segment) {
  directory_dirty_.store(true, std::memory_order_release);
  std::lock_guard lock(segments_mutex_);
  auto list = std::make_shared<SegmentList>(*segments_);
  list->push_back(std::move(segment));
  segments_ = std::move(list);
  return Status::Ok();
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
  MILLRACE_RETURN_IF_ERROR(keeper_.Take(from, options_.directory + "/" + SegmentName(from), &made));
  return Adopt(std::move(made));
}

Status CommitLog::Place(Placement* placements, size_t count, bool together) {
  if (tail_ && !together) {  // nearly always all of them fit into the segment
    int64_t end = end_;
    for (size_t i = 0; i < count; i++) {
      placements[i].log_offset = end;
      end += placements[i].size;
    }
    if (end + kBlankBytes <= tail_->end()) return tail_->ReserveUpTo(end + kBlankBytes - tail_->from());
  }
  int64_t at = end_;
  int64_t segment_end =
      tail_ ? tail_->end() : end_ - end_ % options_.segment_bytes;  // without a segment: as if one ended here
  bool need_segment = tail_ == nullptr;
  int64_t ahead = 0;
  if (together) {
    for (size_t i = 0; i < count; i++) ahead += placements[i].size;
  }
  for (size_t i = 0; i < count; i++) {
    const int64_t needed = (together && i == 0 ? ahead : placements[i].size) + kBlankBytes;
    if (need_segment || needed > segment_end - at) {
      // Blocks for what goes into the segment that ends here, its blank record included.
      if (!need_segment) {
        std::shared_ptr<Segment> segment;
        MILLRACE_RETURN_IF_ERROR(Find(segment_end - 1, &segment));
        MILLRACE_RETURN_IF_ERROR(segment->ReserveUpTo(at + kBlankBytes - segment->from()));
      }
      // An empty log begins at the segment that its end lies in; otherwise the next one follows.
      const int64_t from = segment_end;
      MILLRACE_RETURN_IF_ERROR(EnsureSegment(from));
      at = need_segment ? std::max(at, from) : from;
      segment_end = from + options_.segment_bytes;
      need_segment = false;
    }
    placements[i].log_offset = at;
    at += placements[i].size;
  }
  std::shared_ptr<Segment> segment;
  MILLRACE_RETURN_IF_ERROR(Find(at - 1, &segment));
  return segment->ReserveUpTo(std::min(segment->bytes(), at - segment->from() + kBlankBytes));
}

Status CommitLog::WriteBytes(Segment& segment, int64_t file_offset, const uint8_t* bytes, size_t count) {
  if (segment.Populated(file_offset, file_offset + static_cast<int64_t>(count))) {
    memcpy(segment.base() + file_offset, bytes, count);
    return CheckCopied(segment, file_offset);
  }
  Status status = files_->Write(segment.fd(), bytes, count, file_offset);
  if (!status.ok()) status.set_path(segment.path());
  return status;
}

// Where each append waits for its sync: a block that was reserved but never written changes the file's extents with its
// first record, and the sync has that to write too. So blocks are written once before, a piece at a time, unless so
// much is appended that a piece lasts a few syncs only.
Status CommitLog::ZeroAhead(Segment& segment, int64_t file_offset, int64_t end) {
  if (segment.from() + end <= zeroed_until_) return Status::Ok();
  const int64_t from = std::max(file_offset, zeroed_until_ - segment.from());
  const int64_t to = std::min((end / kZeroBytes + 1) * kZeroBytes, segment.bytes());
  const auto now = std::chrono::steady_clock::now();
  const bool slow = now - zeroed_at_ > kZeroInterval;
  zeroed_at_ = now;
  zeroed_until_ = segment.from() + to;
  if (!slow) return Status::Ok();
  MILLRACE_RETURN_IF_ERROR(segment.ReserveUpTo(to));
  static const std::vector<uint8_t> zeros(kZeroBytes);
  for (int64_t at = from; at < to; at += kZeroBytes) {
    Status status = files_->Write(segment.fd(), zeros.data(), static_cast<size_t>(std::min(kZeroBytes, to - at)), at);
    if (!status.ok()) {
      status.set_path(segment.path());
      return status;
    }
  }
  return Status::Ok();
}

// Records that lie back to back in one segment: encoded into the mapping where its pages are populated, else gathered
// for one pwrite (or several, so that what is gathered stays in the processor's cache).
Status CommitLog::WriteRecords(Segment& segment, RecordSource* source, const Placement* placements, size_t from,
                               size_t to) {
  const int64_t base = segment.from(), start = placements[from].log_offset - base,
                end = placements[to - 1].log_offset + placements[to - 1].size - base;
  if (Present(segment, start, end)) {
    for (size_t i = from; i < to; i++)
      source->Encode(i, placements[i], segment.base() + (placements[i].log_offset - base));
    copied_.fetch_add(static_cast<int64_t>(to - from), std::memory_order_relaxed);
    return CheckCopied(segment, start);
  }
  if (!options_.populate) MILLRACE_RETURN_IF_ERROR(ZeroAhead(segment, start, end));
  while (from < to) {
    const int64_t begin = placements[from].log_offset;
    size_t last = from, bytes = 0;
    for (; last < to && (last == from || bytes + static_cast<size_t>(placements[last].size) <= kGatherBytes); last++) {
      const size_t needed = bytes + static_cast<size_t>(placements[last].size);
      if (gathered_.size() < needed) gathered_.resize(std::max(needed, kGatherBytes));
      source->Encode(last, placements[last], gathered_.data() + bytes);
      bytes = needed;
    }
    written_.fetch_add(static_cast<int64_t>(last - from), std::memory_order_relaxed);
    Status status = files_->Write(segment.fd(), gathered_.data(), bytes, begin - base);
    if (!status.ok()) {
      status.set_path(segment.path());
      return status;
    }
    from = last;
  }
  return Status::Ok();
}

bool CommitLog::Present(Segment& segment, int64_t from, int64_t to) {
  if (segment.Populated(from, to) || segment.from() + to <= present_until_) return true;
  present_until_ = segment.from() + keeper_.PopulateHere(segment, from, to);
  return segment.from() + to <= present_until_;
}

Status CommitLog::Write(RecordSource* source, const Placement* placements, size_t count, bool* poisoned) {
  const int64_t before = end_;
  std::shared_ptr<Segment> tail_before;  // where the append rolls to another
  bool rolled = false;
  Status status;
  size_t i = 0;
  while (i < count && status.ok()) {
    const int64_t start = placements[i].log_offset;
    if (!tail_ || start >= tail_->end()) {
      if (tail_ && end_ < tail_->end()) {
        uint8_t blank[kBlankBytes];
        EncodeBlank(blank, static_cast<int32_t>(tail_->end() - end_));
        status = WriteBytes(*tail_, end_ - tail_->from(), blank, kBlankBytes);
        if (!status.ok()) break;
      }
      if (!rolled) tail_before = tail_;
      rolled = true;
      tail_ = FindIn(*segments(), start, options_.segment_bytes);
      keeper_.Follow(tail_, start - tail_->from());
    }
    size_t last = i;
    int64_t run_end = start;
    while (last < count && placements[last].log_offset == run_end) run_end += placements[last++].size;
    status = WriteRecords(*tail_, source, placements, i, last);
    end_ = run_end;
    i = last;
  }
  if (!status.ok()) {
    Undo(before, placements[count - 1].log_offset + placements[count - 1].size, poisoned);
    end_ = before;
    if (rolled) tail_ = tail_before;
    if (rolled) keeper_.Follow(tail_, tail_ ? before - tail_->from() : 0);
    return status;
  }
  keeper_.Advance(end_ - tail_->from());
  return status;
}

Status CommitLog::WriteRaw(const uint8_t* bytes, size_t count, bool* poisoned) {
  while (count > 0) {
    if (!tail_ || end_ == tail_->end()) {
      const int64_t from = end_ - end_ % options_.segment_bytes;
      MILLRACE_RETURN_IF_ERROR(EnsureSegment(from));
      MILLRACE_RETURN_IF_ERROR(Find(from, &tail_));
      keeper_.Follow(tail_, end_ - from);
    }
    const size_t part = std::min(count, static_cast<size_t>(tail_->end() - end_));
    const int64_t at = end_ - tail_->from();
    MILLRACE_RETURN_IF_ERROR(tail_->ReserveUpTo(at + static_cast<int64_t>(part)));
    Status status = WriteBytes(*tail_, at, bytes, part);
    if (!status.ok()) {
      Undo(end_, end_ + static_cast<int64_t>(part), poisoned);
      return status;
    }
    end_ += static_cast<int64_t>(part);
    bytes += part;
    count -= part;
    keeper_.Advance(at + static_cast<int64_t>(part));
  }
  return Status::Ok();
}

// Whatever part of [from, to) reached the file is made zero again, so that the tail stays clean.
void CommitLog::Undo(int64_t from, int64_t to, bool* poisoned) {
  const auto list = segments();
  const std::vector<uint8_t> zeros(1 << 16);
  for (int64_t at = from; at < to;) {
    const std::shared_ptr<Segment> segment = FindIn(*list, at, options_.segment_bytes);
    if (!segment) return;
    const int64_t length = std::min({static_cast<int64_t>(zeros.size()), segment->end() - at, to - at});
    if (!files_->Write(segment->fd(), zeros.data(), static_cast<size_t>(length), at - segment->from()).ok())
      *poisoned = true;
    at += length;
  }
}

Status CommitLog::SyncNames() {
  std::lock_guard lock(names_mutex_);
  if (names_failure_.ok() && directory_dirty_.exchange(false, std::memory_order_acq_rel))
    names_failure_ = files_->SyncDirectory(options_.directory);
  return names_failure_;
}

Status CommitLog::Sync(int64_t from, int64_t to) {
  MILLRACE_RETURN_IF_ERROR(SyncNames());
  const auto list = segments();
  for (const auto& segment : *list) {
    if (segment->end() <= from || segment->from() >= to) continue;
    MILLRACE_RETURN_IF_ERROR(segment->Open());
    Status status = files_->SyncData(segment->fd());
    if (!status.ok()) {
      status.set_path(segment->path());
      return status;
    }
  }
  return Status::Ok();
}

void CommitLog::StartWriteBack(int64_t from, int64_t to) {
  const auto list = segments();
  for (const auto& segment : *list) {
    const int64_t begin = std::max(from, segment->from()), end = std::min(to, segment->end());
    if (begin < end && segment->Open().ok())
      files_->StartWriteBack(segment->fd(), begin - segment->from(), end - begin);
  }
}

void CommitLog::DropFromTable(int64_t from, int64_t to) {
  from &= ~(kPageBytes - 1), to &= ~(kPageBytes - 1);
  const auto list = segments();
  for (const auto& segment : *list) {
    const int64_t begin = std::max(from, segment->from()), end = std::min(to, segment->end());
    if (begin < end && segment->base() != nullptr)
      files_->DropFromTable(segment->base() + (begin - segment->from()), static_cast<size_t>(end - begin));
  }
}

Status CommitLog::Rewrite(int64_t from, int64_t to) {
  const auto list = segments();
  for (const auto& segment : *list) {
    const int64_t begin = std::max(from, segment->from()), end = std::min(to, segment->end());
    if (begin >= end) continue;
    MILLRACE_RETURN_IF_ERROR(segment->Open());
    std::vector<uint8_t> copy(1 << 20);
    for (int64_t at = begin; at < end;) {
      const auto length = static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(copy.size()), end - at));
      if (!segment->CopyOut(at - segment->from(), copy.data(), length))
        return Status::Error(Code::kPageUnreadable, "a page of the segment can't be read", segment->path(), at);
      Status status = files_->Write(segment->fd(), copy.data(), length, at - segment->from());
      if (!status.ok()) {
        status.set_path(segment->path());
        return status;
      }
      at += static_cast<int64_t>(length);
    }
  }
  return Status::Ok();
}

}  // namespace millrace
