// Recovery, the second half: carries out what the scan decided. Queues and index get what the log has and they lack,
// with the code that append uses too.
#include <algorithm>

#include "read_ahead.h"
#include "recovery.h"

namespace millrace {

Status Recovery::WalkLog(int64_t from, int64_t to, const std::function<Status(const RecordView&, int64_t)>& visit) {
  const auto segments = in_.log->segments();
  const int64_t before = done_;
  int64_t at = from;
  ReadAhead ahead(in_.files, segments, from);
  while (at < to) {
    done_ = before + at - from;
    Tell(to_do_);
    const auto segment = CommitLog::FindIn(*segments, at, in_.log->segment_bytes());
    if (!segment) break;
    const int64_t file_offset = at - segment->from();
    ahead.Reach(at);
    const RecordView view = CheckRecord(segment->base() + file_offset, segment->bytes() - file_offset, at, false);
    MILLRACE_RETURN_IF_ERROR(segment->Readable(at));
    if (view.found == Found::kBlank) {
      at = segment->end();
      continue;
    }
    if (view.found != Found::kRecord) break;
    MILLRACE_RETURN_IF_ERROR(visit(view, at));
    at += view.size;
  }
  done_ = before + to - from;
  return Status::Ok();
}

Status Recovery::StateOf(ConsumeQueue* queue, QueueState** out) {
  const auto [found, added] = states_.try_emplace(queue, QueueState{queue});
  *out = &found->second;
  if (!added) return Status::Ok();
  return FirstUnitNotBelow(queue, dispatch_from_, &found->second.cursor);
}

Status Recovery::PutUnit(ConsumeQueue* queue, int64_t queue_offset, const QueueUnit& unit, bool delayed, bool own,
                         int64_t store_timestamp, bool whole_log) {
  QueueState* state = nullptr;
  MILLRACE_RETURN_IF_ERROR(StateOf(queue, &state));
  // No checksum covers a record's number. Between it and the one before lie no more records than fit before it.
  const bool follows = queue->has_files() || state->cursor > 0;
  const int64_t gap = follows ? queue_offset - std::max(queue->max_offset(), state->cursor) : 0;
  if (queue_offset < 0 || queue_offset > kMaxQueueOffset || gap > unit.log_offset / kRecordMinBytes) {
    report_.rebuilt_queues.push_back({queue->topic(), queue->queue_id(),
                                      "the record at log offset " + std::to_string(unit.log_offset) +
                                          " cannot be its message " + std::to_string(queue_offset)});
    return Status::Ok();
  }
  // Retention takes a queue's file after the records that it points to: what the log still has was lost in front.
  if (!state->gap && !state->writing && queue->has_files() && queue_offset < queue->files_begin())
    return MarkGap(*state, "its first file is missing");
  if (queue_offset < state->cursor) return Status::Ok();  // there already, or a number given twice: the first one holds
  if (!state->writing) {
    QueueUnit old{};
    bool there = false;
    if (queue->has_files() && queue_offset < queue->files_end())
      MILLRACE_RETURN_IF_ERROR(ReadUnit(*state, queue_offset, &old, &there));
    QueueExtension* const extension = own ? queue->extension() : nullptr;
    bool same_tag = old.tag_code == unit.tag_code || (delayed && old.tag_code >= store_timestamp);
    if (IsExtensionAddress(old.tag_code)) {
      same_tag = !extension || extension->Holds(old.tag_code, unit.tag_code, store_timestamp, delayed);
    } else if (extension && in_.has_position) {
      same_tag = false;  // millrace put an address, which is off the disk, or had no extension then
    }
    const bool same = there && old.log_offset == unit.log_offset && old.size == unit.size && same_tag;
    if (queue_offset > state->cursor && !whole_log)
      return MarkGap(*state, "units before " + std::to_string(queue_offset) + " are missing");
    if (same) {
      if (state->same_to == 0) state->same_from = queue_offset;
      state->same_to = state->cursor = queue_offset + 1;
      return Status::Ok();
    }
    if (there && !IsPreBlank(old) && old.log_offset < end_ && report_.clean_before && !state->gap)
      report_.rebuilt_queues.push_back(
          {queue->topic(), queue->queue_id(), "unit " + std::to_string(queue_offset) + " points to another record"});
    const bool empty = !queue->has_files() || state->cursor <= queue->files_begin();
    if (empty && queue_offset > state->cursor) {
      // The first message that the log still has of this queue: the queue begins here.
      if (in_.read_only) {
        MILLRACE_RETURN_IF_ERROR(queue->SetBounds(queue_offset, queue_offset));
      } else {
        MILLRACE_RETURN_IF_ERROR(queue->Reset());
        MILLRACE_RETURN_IF_ERROR(queue->SetBounds(queue_offset, queue_offset));
      }
    } else {
      MILLRACE_RETURN_IF_ERROR(queue->SetBounds(queue->files_begin(), state->cursor));
    }
    state->writing = true;
    state->window_count = 0;
    report_.changed = true;
  }
  // Records between were lost with a cut: their numbers stay empty, so that every other message keeps its own.
  while (queue->max_offset() < queue_offset) {
    if (!in_.read_only) MILLRACE_RETURN_IF_ERROR(queue->Prepare(1));
    queue->Put(kPreBlank);
  }
  if (!in_.read_only) MILLRACE_RETURN_IF_ERROR(own ? queue->PrepareOwn(1) : queue->Prepare(1));
  if (own) {
    queue->PutOwn(unit, store_timestamp);
  } else {
    queue->Put(unit);
  }
  state->cursor = queue_offset + 1;
  return Status::Ok();
}

Status Recovery::DispatchRecord(const RecordView& view, int64_t at, bool whole_log, bool only_gaps) {
  const KnownProperties properties = ReadProperties(view.properties);
  const bool delayed = DispatchRules::IsDelayed(view.topic, properties.delay);
  const QueueUnit unit{at, view.size,
                       in_.rules->TagCode(view.topic, properties.tags, properties.delay, view.store_timestamp)};
  if (EntersQueue(view.sys_flag)) {
    ConsumeQueue* queue = in_.queues->GetOrMake(view.topic, view.queue_id);
    if (queue != nullptr && only_gaps == HasGap(queue))
      MILLRACE_RETURN_IF_ERROR(PutUnit(queue, view.queue_offset, unit, delayed, true, view.store_timestamp, whole_log));
    if (!properties.multi_dispatch.empty()) {
      for (const auto& side : in_.rules->SideQueues(properties, view.queue_id)) {
        ConsumeQueue* const target = in_.rules->Find(side, in_.queues);
        if (target == nullptr) continue;
        const QueueUnit plain{at, view.size, properties.tags.empty() ? 0 : JavaHash(properties.tags)};
        if (only_gaps == HasGap(target))
          MILLRACE_RETURN_IF_ERROR(
              PutUnit(target, side.queue_offset, plain, false, false, view.store_timestamp, whole_log));
      }
    }
  }
  return Status::Ok();
}

Status Recovery::MinOffset(ConsumeQueue* queue, int64_t max, int64_t* min) {
  // Not beyond `max`: a file is a hole from there on, and what is read of a hole fills the page cache.
  const int64_t low = std::min(max, queue->files_begin());
  return queue->FirstNotBelow(std::max(LogMin(), in_.forgotten->To(queue->topic())), low,
                              std::max(low, std::min(max, queue->files_end())), min);
}

// An empty queue whose next message gets a number. Its file says so too, as Java would have it: filled up to there.
Status Recovery::GoOnAt(ConsumeQueue* queue, int64_t number) {
  if (in_.read_only) return queue->SetBounds(number, number);
  MILLRACE_RETURN_IF_ERROR(queue->Reset());
  MILLRACE_RETURN_IF_ERROR(queue->SetBounds(number - 1, number - 1));
  MILLRACE_RETURN_IF_ERROR(queue->Prepare(1));
  queue->Put(kPreBlank);
  queue->set_min_offset(number);
  return Status::Ok();
}

Status Recovery::Apply() {
  // A log that was cut ends before what the table speaks of: its queues are looked at unit by unit.
  if (end_ < dispatch_from_) {
    in_.has_table = false;
    dispatch_from_ = end_;
  }
  // 1. Queues that the table of the last checkpoint speaks of: their units below the position are known without reading
  // the log.
  std::unordered_map<ConsumeQueue*, const QueueRow*> rows;
  for (const auto& row : in_.table.rows) {
    // What the log has lost since it has lost to all.
    if (!in_.has_table && end_ < in_.table.dispatched && row.last_log_offset >= LogMin()) continue;
    ConsumeQueue* queue = in_.queues->GetOrMake(row.topic, row.queue_id);
    if (queue == nullptr) continue;
    rows[queue] = &row;
    if (!in_.has_table || states_.contains(queue)) continue;
    QueueState state{queue};
    if (row.max_offset > row.min_offset) {
      QueueUnit unit{};
      bool there = false;
      if (queue->has_files() && row.max_offset <= queue->files_end())
        MILLRACE_RETURN_IF_ERROR(queue->ReadUnit(row.max_offset - 1, &unit, &there));
      // A first file that is gone takes numbers with it that the log may still have.
      const bool beheaded = queue->has_files() && row.min_offset < queue->files_begin();
      if (beheaded || !there || unit.log_offset != row.last_log_offset || unit.size != row.last_size) {
        MILLRACE_RETURN_IF_ERROR(MarkGap(state, beheaded             ? "its first file is missing"
                                                : queue->has_files() ? "its last unit is not the one that was there"
                                                                     : "its files are missing"));
      } else {
        state.cursor = row.max_offset;
        state.last = unit;
        state.last_offset = row.max_offset - 1;
      }
    } else {
      state.cursor = row.max_offset;
    }
    states_.emplace(queue, std::move(state));
  }

  // 2. The index. After a crash nobody knows which of its pages reached the disk behind the last checkpoint: it is cut
  // back to it.
  int64_t index_from = INT64_MAX;  // records from here on are put
  bool index_whole = false;
  if (in_.index->enabled()) {
    const int64_t index_end = in_.index->end_log_offset();
    // A store of Java's whose index is gone: nothing says that it ever had none.
    const bool missing = !in_.has_table && in_.index->files().empty() && LogMin() < std::min(dispatch_from_, end_);
    report_.index_rebuilt = in_.rebuild_index || missing ||
                            (in_.has_table && in_.table.index_end >= 0 &&
                             (index_end < in_.table.index_end || index_end >= end_ ||
                              static_cast<int64_t>(in_.index->files().size()) < in_.table.index_files));
    if (in_.read_only) {
      // Whoever opens to write next does it.
    } else if (report_.index_rebuilt) {
      MILLRACE_RETURN_IF_ERROR(in_.before_rebuild());
      MILLRACE_RETURN_IF_ERROR(in_.index->RemoveAll());
      index_from = LogMin();
      index_whole = !whole_log_;
      report_.changed = true;
    } else if (!in_.clean || index_end >= end_) {
      MILLRACE_RETURN_IF_ERROR(in_.index->CutBack(std::min(dispatch_from_, end_)));
      index_from = dispatch_from_;
    } else {
      index_from = std::max(dispatch_from_, index_end + 1);
    }
  }
  std::vector<int32_t> hashes;
  const auto index_record = [&](const RecordView& view, int64_t at) -> Status {
    if (at < index_from || !EntersIndex(view.sys_flag)) return Status::Ok();
    const KnownProperties properties = ReadProperties(view.properties);
    hashes.clear();
    DispatchRules::KeyHashes(view.topic, properties.unique_key, properties.keys, &hashes);
    if (hashes.empty()) return Status::Ok();
    MILLRACE_RETURN_IF_ERROR(in_.index->Prepare(static_cast<int64_t>(hashes.size())));
    for (const int32_t hash : hashes) in_.index->Put(hash, at, view.store_timestamp);
    report_.index_entries += static_cast<int64_t>(hashes.size());
    report_.changed = true;
    return Status::Ok();
  };

  // 3. Everything from the position on.
  const int64_t dispatch_from = std::min(dispatch_from_, end_);
  to_do_ = done_ + end_ - dispatch_from;
  MILLRACE_RETURN_IF_ERROR(WalkLog(dispatch_from, end_, [&](const RecordView& view, int64_t at) -> Status {
    MILLRACE_RETURN_IF_ERROR(DispatchRecord(view, at, whole_log_, false));
    return index_whole ? Status::Ok() : index_record(view, at);
  }));

  // 4. Queues with a gap, and an index that is gone, from the whole log.
  bool gaps = false;
  for (auto& [queue, state] : states_) {
    if (!state.gap) continue;
    if (!gaps) MILLRACE_RETURN_IF_ERROR(in_.before_rebuild());
    gaps = true;
    state.window_count = 0;
    state.writing = false;
    state.cursor = state.same_from = state.same_to = 0;
    if (in_.read_only) {
      MILLRACE_RETURN_IF_ERROR(queue->SetBounds(queue->files_end(), queue->files_end()));
    } else {
      MILLRACE_RETURN_IF_ERROR(queue->Reset());
    }
  }
  if (gaps || index_whole) {
    to_do_ += end_ - LogMin();
    MILLRACE_RETURN_IF_ERROR(WalkLog(LogMin(), end_, [&](const RecordView& view, int64_t at) -> Status {
      if (gaps) MILLRACE_RETURN_IF_ERROR(DispatchRecord(view, at, true, true));
      return index_whole ? index_record(view, at) : Status::Ok();
    }));
  }
  if (told_ > 0) Tell(done_);

  // 5. Bounds. What lies behind the last good unit is zeroed. Units that were there are written again after a crash:
  // that they can be read does not say that the disk has them.
  for (ConsumeQueue* queue : in_.queues->InOrder()) {
    QueueState* state = nullptr;
    MILLRACE_RETURN_IF_ERROR(StateOf(queue, &state));
    const auto row = rows.find(queue);
    // Numbers are never given twice: a queue whose records are all gone goes on behind its last one.
    const int64_t reached = state->writing ? queue->max_offset() : state->cursor;
    if (row != rows.end() && reached < row->second->max_offset && row->second->last_log_offset < LogMin()) {
      MILLRACE_RETURN_IF_ERROR(GoOnAt(queue, row->second->max_offset));
      continue;
    }
    // A log that begins at its first byte has lost no message to retention: a queue of which it has none begins there
    // too. Files that begin later are what a power cut has left of a queue.
    if (!in_.read_only && !report_.corrupt && LogMin() == 0 && !(in_.has_table && row != rows.end()) &&
        !state->writing && queue->has_files() && queue->files_begin() > 0 && state->cursor <= queue->files_begin()) {
      MILLRACE_RETURN_IF_ERROR(queue->Reset());
      state->cursor = 0;
    }
    if (!state->writing) {
      bool there = state->last_offset >= 0 && state->last_offset == state->cursor - 1;
      // As whoever closed the store left it: nothing lies behind the last unit.
      const bool as_closed = there && in_.clean && in_.has_table;
      if (!there && state->cursor > queue->files_begin() && queue->has_files())
        MILLRACE_RETURN_IF_ERROR(queue->ReadUnit(state->cursor - 1, &state->last, &there));
      int64_t min = state->cursor;
      if (as_closed && LogMin() == 0) {
        min = row->second->min_offset;
      } else if (queue->has_files()) {
        MILLRACE_RETURN_IF_ERROR(MinOffset(queue, state->cursor, &min));
      }
      const QueueUnit* const last = there ? &state->last : nullptr;
      MILLRACE_RETURN_IF_ERROR(as_closed ? queue->TakeBounds(min, state->cursor, last)
                                         : queue->SetBounds(min, state->cursor, last));
    } else if (queue->has_files() && queue->min_offset() <= queue->files_begin() && !in_.read_only) {
      int64_t min = queue->min_offset();
      MILLRACE_RETURN_IF_ERROR(queue->WriteOut());
      MILLRACE_RETURN_IF_ERROR(MinOffset(queue, queue->max_offset(), &min));
      queue->set_min_offset(min);
    }
    if (!in_.clean && !in_.read_only) MILLRACE_RETURN_IF_ERROR(queue->Rewrite(state->same_from, state->same_to));
  }
  return Status::Ok();
}

}  // namespace millrace
