// Recovery, the first half: reads the log, the ends of the queues and what is known of the disk, and decides where the
// log ends. Changes nothing.
#include <algorithm>
#include <map>
#include <unordered_set>

#include "data_pages.h"
#include "read_ahead.h"
#include "recovery.h"

namespace millrace {

namespace {

// A record's checksum covers its body alone. What a power cut did not let reach the disk reads as zeros, a sector at a
// time; no sector that topic or properties reach into holds nothing else.
bool MissesSector(const Segment& segment, int64_t file_offset, const RecordView& view) {
  constexpr int64_t kSectorBytes = 512;
  static const uint8_t zeros[kSectorBytes] = {};
  const int64_t from = reinterpret_cast<const uint8_t*>(view.topic.data()) - segment.base();
  // A record without properties may well end in two zeros, their length.
  const int64_t end = file_offset + view.size - (view.properties.empty() ? 2 : 0);
  for (int64_t at = (from + kSectorBytes - 1) / kSectorBytes * kSectorBytes; at < end; at += kSectorBytes) {
    const auto bytes = static_cast<size_t>(std::min(kSectorBytes, segment.bytes() - at));
    if (memcmp(segment.base() + at, zeros, bytes) == 0) return true;
  }
  return false;
}

// A log that millrace did not write last is read whole, so that queues and index can be held against it, up to this
// size; beyond it as much as Java reads.
constexpr int64_t kReadWholeBytes = int64_t{2} << 30;
constexpr size_t kJavaSegments = 3;    // what Java scans after a clean shutdown
constexpr int64_t kWindowUnits = 102;  // units that recovery reads at once from a queue
constexpr int64_t kProgressBytes = 64 << 20;

}  // namespace

int64_t Recovery::LogMin() const {
  const auto segments = in_.log->segments();
  return segments->empty() ? 0 : segments->front()->from();
}

// How many bytes behind `end` hold something, in its segment and those after it.
int64_t Recovery::BytesBehind(int64_t end) {
  int64_t last = end;
  const auto segments = in_.log->segments();
  for (const auto& segment : *segments) {
    if (segment->end() <= end || !segment->Open().ok()) continue;
    // What can't be read any more is not counted.
    (void)ForEachDataPage(in_.files, segment->fd(), std::max<int64_t>(0, end - segment->from()), segment->bytes(),
                          [&](int64_t at, const uint8_t* bytes, size_t length, bool*) {
                            while (bytes[length - 1] == 0) length--;
                            last = segment->from() + at + static_cast<int64_t>(length);
                            return Status::Ok();
                          });
  }
  return last - end;
}

void Recovery::Tell(int64_t total) {
  if (!in_.on_progress || done_ == told_ || (done_ < total && done_ - told_ < kProgressBytes)) return;
  told_ = done_;
  in_.on_progress(done_, total);
}

Status Recovery::Scan() {
  MILLRACE_RETURN_IF_ERROR(in_.queues->Load());
  // A queue whose files are in disorder is made anew; files that all have another length are another setting.
  std::map<int64_t, int> other_lengths;
  Status mismatch;
  size_t loaded = 0;
  for (ConsumeQueue* queue : in_.queues->InOrder()) {
    if (queue->extension()) MILLRACE_RETURN_IF_ERROR(queue->extension()->Load());
    Status status = queue->Load();
    if (status.ok()) {
      if (queue->has_files()) loaded++;
    } else if (status.code == Code::kSegmentSizeMismatch || status.code == Code::kCorruptQueue) {
      if (status.code == Code::kSegmentSizeMismatch) other_lengths[status.offset()]++, mismatch = status;
      QueueState state{queue};
      MILLRACE_RETURN_IF_ERROR(MarkGap(state, status.message()));
      states_.emplace(queue, std::move(state));
    } else {
      return status;
    }
  }
  if (loaded == 0 && other_lengths.size() == 1 && other_lengths.begin()->first % kUnitBytes == 0 &&
      other_lengths.begin()->first > 0)
    return mismatch;

  const auto segments = in_.log->segments();
  if (segments->empty()) {
    if (in_.has_position && in_.position.synced > 0 && in_.on_corruption == OnCorruption::kRefuse)
      return Status::Error(Code::kCorruptLog,
                           "the log has no segment, and was on disk up to " + std::to_string(in_.position.synced),
                           in_.log->directories().first(), 0);
    end_ = dispatch_from_ = 0;
    whole_log_ = true;
    return Status::Ok();
  }
  for (const auto& segment : *segments) MILLRACE_RETURN_IF_ERROR(segment->Open());

  const int64_t min = LogMin();
  size_t last = segments->size() - 1;  // the last segment that holds anything
  while (last > 0 && Get64((*segments)[last]->base()) == 0) last--;
  const int64_t last_from = (*segments)[last]->from();
  int64_t from = min;
  if (in_.has_position) {
    dispatch_from_ = std::clamp(in_.position.dispatched, min, std::max(min, segments->back()->end()));
    from = std::min(dispatch_from_, last_from);
    if (!in_.clean && !in_.check_crc) from = dispatch_from_;
  } else {
    if (loaded > 0 && last_from + in_.log->segment_bytes() - min > kReadWholeBytes) {
      if (in_.clean) {
        from = (*segments)[last + 1 > kJavaSegments ? last + 1 - kJavaSegments : 0]->from();
      } else {
        for (size_t i = last + 1; i-- > 0;) {
          const Segment& segment = *(*segments)[i];
          const RecordView first = CheckRecord(segment.base(), segment.bytes(), segment.from(), false);
          from = segment.from();
          if (first.found == Found::kRecord && first.store_timestamp > 0 &&
              first.store_timestamp <= in_.checkpoint.min_ms())
            break;
        }
      }
    }
    dispatch_from_ = from;
  }
  if (in_.rebuild_all) from = dispatch_from_ = min;
  if (in_.rebuild_index) from = std::min(from, dispatch_from_);
  whole_log_ = dispatch_from_ <= min;
  report_.ours = in_.has_position;
  report_.scanned_from = from;

  // After a crash, what no sync covered.
  const auto in_doubt = [&](int64_t offset) {
    return !in_.clean && offset >= (in_.has_position ? in_.position.synced : 0);
  };
  ReadAhead ahead(in_.files, segments, from);
  int64_t at = from, last_timestamp = 0;
  Found found = Found::kEnd;
  std::string reason;
  while (true) {
    const auto segment = CommitLog::FindIn(*segments, at, in_.log->segment_bytes());
    if (!segment) {
      found = Found::kEnd;
      break;
    }
    const int64_t file_offset = at - segment->from();
    ahead.Reach(at);
    const RecordView view =
        CheckRecord(segment->base() + file_offset, segment->bytes() - file_offset, at, in_.check_crc);
    found = view.found;
    if (segment->damaged()) {
      // What was read since is in doubt: the records of this segment are not taken.
      found = Found::kCut;
      reason = "a page that can't be read from disk";
      at = std::max(from, segment->from());
      break;
    }
    if (found == Found::kBlank) {
      // The end stays before a blank that nothing follows, as in Java; but a replica may have got the blank as it lay.
      if (segment == segments->back() && !(in_.has_position && in_.position.synced >= segment->end())) break;
      at = segment->end();
      continue;
    }
    if (found != Found::kRecord) break;
    if (in_doubt(at) && MissesSector(*segment, file_offset, view)) {
      found = Found::kCut;
      reason = "a record whose properties never reached the disk";
      break;
    }
    last_timestamp = report_.last_timestamp = view.store_timestamp;
    report_.records++;
    at += view.size;
    // Everything is read twice, as far as is known: now, and when queues and index get what they lack.
    done_ = at - from;
    Tell(2 * (last_from + in_.log->segment_bytes() - from));
  }
  end_ = at;
  report_.end = at;
  report_.scanned_bytes = at - from;
  if (found == Found::kBlank) return DecideDamage(at, Found::kEnd, last_timestamp);
  if (reason.empty()) return DecideDamage(at, found, last_timestamp);
  report_.torn_reason = reason;
  return DecideDamage(at, found, last_timestamp);
}

// Torn, when it lies behind the last position known to be on disk; corrupt otherwise.
Status Recovery::DecideDamage(int64_t end, Found found, int64_t last_timestamp) {
  const auto segments = in_.log->segments();
  const auto segment = CommitLog::FindIn(*segments, end, in_.log->segment_bytes());
  const bool blank = segment && end + kBlankBytes <= segment->end() &&
                     Get32(segment->base() + (end - segment->from()) + 4) == kBlankMagic;
  const int64_t behind = blank && found == Found::kEnd ? 0 : BytesBehind(end);
  bool corrupt = false;
  std::string known;
  if (in_.has_position) {
    corrupt = end < in_.position.synced;
    known = "the log was on disk up to " + std::to_string(in_.position.synced);
  } else if (found != Found::kEnd || behind > 0) {
    if (in_.clean) {
      int64_t queues_end = 0;
      for (ConsumeQueue* queue : in_.queues->InOrder()) {
        int64_t units = 0;
        QueueUnit unit{};
        bool there = false;
        if (!queue->has_files() || !FirstUnitNotBelow(queue, INT64_MAX, &units).ok() || units <= queue->files_begin())
          continue;
        MILLRACE_RETURN_IF_ERROR(queue->ReadUnit(units - 1, &unit, &there));
        if (there && !IsPreBlank(unit)) queues_end = std::max(queues_end, unit.log_offset + unit.size);
      }
      // A store that was closed properly has dispatched everything: what its queues point to was there.
      // (Whoever takes the queues away looks at more than they point to: it is the last time that they can tell.)
      corrupt = end < queues_end || in_.rebuild_all;
      known = "the store was closed properly, and its queues reach to " + std::to_string(queues_end);
    } else {
      corrupt = last_timestamp > 0 && last_timestamp < in_.checkpoint.physic_ms;
      known = "the checkpoint says that a message of time " + std::to_string(in_.checkpoint.physic_ms) + " was on disk";
    }
  }
  const std::string what = report_.torn_reason.empty() ? std::string(FoundName(found)) : report_.torn_reason;
  report_.torn_reason.clear();
  const std::string where = segment ? segment->path() : in_.log->directories().first();
  if (corrupt) {
    if (in_.on_corruption == OnCorruption::kRefuse) {
      Status status = Status::Error(Code::kCorruptLog,
                                    "at log offset " + std::to_string(end) + " (byte " +
                                        std::to_string(segment ? end - segment->from() : 0) + " of its segment) lies " +
                                        what + "; " + known,
                                    where, end);
      return status;
    }
    report_.corrupt = true;
  }
  if (corrupt || behind > 0 || found != Found::kEnd) {
    report_.torn_offset = end;
    report_.torn_bytes = behind;
    report_.torn_segment = where;
    report_.torn_reason = found == Found::kEnd && behind > 0 ? "nothing, and bytes behind it" : what;
    report_.changed = true;
  }
  return Status::Ok();
}

Status Recovery::ReadUnit(QueueState& state, int64_t offset, QueueUnit* unit, bool* there) {
  *there = false;
  if (offset < state.window_first || offset >= state.window_first + state.window_count) {
    state.window.resize(static_cast<size_t>(kWindowUnits * kUnitBytes));
    state.window_first = offset;
    state.window_count = 0;
    MILLRACE_RETURN_IF_ERROR(state.queue->Read(offset, kWindowUnits, state.window.data(), &state.window_count));
    if (state.window_count == 0) return Status::Ok();
  }
  *unit = DecodeUnit(state.window.data() + (offset - state.window_first) * kUnitBytes);
  *there = unit->log_offset >= 0 && unit->size > 0;
  return Status::Ok();
}

Status Recovery::FirstUnitNotBelow(ConsumeQueue* queue, int64_t log_offset, int64_t* unit) {
  const int64_t low = queue->files_begin();
  return queue->FirstNotBelow(log_offset, low, queue->has_files() ? queue->files_end() : low, unit);
}

Status Recovery::NoteNumbers(QueueTable* table) {
  std::unordered_set<ConsumeQueue*> known;
  for (const auto& row : table->rows) known.insert(in_.queues->Get(row.topic, row.queue_id));
  for (ConsumeQueue* queue : in_.queues->InOrder()) {
    if (known.contains(queue) || HasGap(queue) || !queue->has_files()) continue;
    QueueUnit last{};
    bool there = false;
    int64_t end = 0;
    MILLRACE_RETURN_IF_ERROR(FirstUnitNotBelow(queue, INT64_MAX, &end));
    if (end > queue->files_begin()) MILLRACE_RETURN_IF_ERROR(queue->ReadUnit(end - 1, &last, &there));
    table->rows.push_back(
        {queue->topic(), queue->queue_id(), end, end, there ? last.log_offset : -1, there ? last.size : 0});
  }
  return Status::Ok();
}

Status Recovery::Forget(QueueTable table) {
  for (ConsumeQueue* queue : in_.queues->InOrder()) MILLRACE_RETURN_IF_ERROR(queue->Reset());
  states_.clear();
  in_.table = std::move(table);
  in_.has_table = false;
  return Status::Ok();
}

Status Recovery::MarkGap(QueueState& state, std::string reason) {
  if (!state.gap) report_.rebuilt_queues.push_back({state.queue->topic(), state.queue->queue_id(), std::move(reason)});
  state.gap = true;
  report_.changed = true;
  return Status::Ok();
}

}  // namespace millrace
