// The commit log: where records go, and how their bytes get there.
#include <algorithm>

#include "commit_log.h"
#include "zeros.h"

namespace millrace {

namespace {

constexpr size_t kGatherBytes = 256 << 10;
constexpr int64_t kZeroBytes = 256 << 10;
constexpr auto kZeroInterval = std::chrono::milliseconds(4);

// The zeros in front of a record lie in the cache of the keeper's processor, or in memory: their lines are asked for
// some records before they are written over. (Asking for what lies behind the mapping does nothing.)
void PrefetchBehind(uint8_t* record, int32_t bytes) {
  constexpr int32_t kLine = 64, kDistance = 2048;
  for (int32_t at = 0; at < bytes; at += kLine) __builtin_prefetch(record + kDistance + at, 1);
}

}  // namespace

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
  bool need_segment = tail_ == nullptr || end_ == tail_->end();
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
  const int64_t end = file_offset + static_cast<int64_t>(count);
  if (segment.Populated(file_offset, end) || segment.Claim(file_offset, end)) {
    memcpy(segment.base() + file_offset, bytes, count);
    return segment.Readable(segment.from() + file_offset);
  }
  return files_->Write(segment.fd(), bytes, count, file_offset).At(segment.path());
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
  return WriteZeros(files_, segment.fd(), from, to).At(segment.path());
}

// Records that lie back to back in one segment: encoded into the mapping where its pages are populated, else gathered
// for one pwrite (or several, so that what is gathered stays in the processor's cache).
Status CommitLog::WriteRecords(Segment& segment, RecordSource* source, const Placement* placements, size_t from,
                               size_t to) {
  const int64_t base = segment.from(), start = placements[from].log_offset - base,
                end = placements[to - 1].log_offset + placements[to - 1].size - base;
  if (Present(segment, start, end)) {
    for (size_t i = from; i < to; i++) {
      uint8_t* const record = segment.base() + (placements[i].log_offset - base);
      PrefetchBehind(record, placements[i].size);
      source->Encode(i, placements[i], record);
    }
    copied_.fetch_add(static_cast<int64_t>(to - from), std::memory_order_relaxed);
    return segment.Readable(base + start);
  }
  if (!populates()) MILLRACE_RETURN_IF_ERROR(ZeroAhead(segment, start, end));
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
    MILLRACE_RETURN_IF_ERROR(files_->Write(segment.fd(), gathered_.data(), bytes, begin - base).At(segment.path()));
    from = last;
  }
  return Status::Ok();
}

bool CommitLog::Present(Segment& segment, int64_t from, int64_t to) {
  if (!populates()) return false;
  if (segment.Populated(from, to) || segment.from() + to <= present_until_) return true;
  if (segment.Claim(from, to)) return true;
  present_until_ = segment.from() + keeper_.FillHere(segment, from, to);
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
      if (tail_ && tail_->end() - end_ >= kBlankBytes) {  // less is left by no writer
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
    present_until_ = zeroed_until_ = 0;
    if (rolled) {
      tail_ = tail_before;
      keeper_.Follow(tail_, tail_ ? before - tail_->from() : 0);
    }
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
  const Status status = ForEachPiece(from, to, [this](Segment& segment, int64_t file_offset, int64_t bytes) {
    return WriteZeros(files_, segment.fd(), file_offset, file_offset + bytes);
  });
  if (!status.ok()) *poisoned = true;
}

}  // namespace millrace
