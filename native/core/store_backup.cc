// Store: a copy of itself, while it runs. The copy is a store that gets this one's log as a replica does, so queues and
// index are made from it; what is there of an earlier backup is gone on from, and a backup that is interrupted leaves a
// store that recovers.
#include <algorithm>
#include <cstring>

#include "store.h"

namespace millrace {

namespace {

constexpr int64_t kPieceBytes = 1 << 20;
constexpr size_t kSmallFileBytes = 64 << 20;

// The files of a folder that may not be there, as they are.
Status CopySmallFiles(FileSystem* files, const std::string& from, const std::string& to, const std::string& work) {
  FileInfo info;
  bool exists = false;
  MILLRACE_RETURN_IF_ERROR(files->Stat(from, &info, &exists));
  if (!exists || info.kind != DirectoryEntry::Kind::kDirectory) return Status::Ok();
  std::vector<DirectoryEntry> entries;
  MILLRACE_RETURN_IF_ERROR(files->List(from, &entries));
  MILLRACE_RETURN_IF_ERROR(MakeFolders(files, to));
  for (const auto& entry : entries) {
    std::vector<uint8_t> bytes;
    if (entry.kind != DirectoryEntry::Kind::kFile) continue;
    MILLRACE_RETURN_IF_ERROR(ReadWhole(files, from + "/" + entry.name, kSmallFileBytes, &bytes, &exists));
    if (exists) MILLRACE_RETURN_IF_ERROR(ReplaceWhole(files, work, to + "/" + entry.name, bytes));
  }
  return files->SyncDirectory(to);
}

}  // namespace

Status Store::Backup(const std::string& directory, BackedUp* done) {
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  if (directory.empty()) return Status::Error(Code::kInvalidArgument, "a backup needs a directory");
  StoreOptions options = options_;
  options.root = directory;
  options.log_directories.clear();
  options.read_only_log_directories.clear();
  options.aside.clear();
  options.segment_bytes = log_.segment_bytes();
  options.index_slots = index_.sizes().slots;
  options.index_entries = index_.sizes().entries;
  options.read_only = options.rebuild_index = options.synchronous_flush = options.visible_when_durable = false;
  options.retention = {};
  options.on_progress = nullptr;
  MILLRACE_RETURN_IF_ERROR(CheckBelongs(options));
  MILLRACE_RETURN_IF_ERROR(MakeFolders(files_, directory));
  std::shared_ptr<Store> copy;
  MILLRACE_RETURN_IF_ERROR(Open(files_, std::move(options), &copy));
  // Before the log: a cursor never points behind what is copied.
  for (const char* folder : {"millrace/cursors", "config"})
    MILLRACE_RETURN_IF_ERROR(
        CopySmallFiles(files_, paths_.root + "/" + folder, directory + "/" + folder, directory + "/millrace"));
  for (const ConsumeQueue* queue : queues_.All()) copy->queues_.GetOrMake(queue->topic(), queue->queue_id());
  done->from = copy->log_.segments()->empty() ? min_log_offset() : copy->log_.end();
  const Status copied = CopyLogTo(copy.get(), done);
  const Status closed = copy->Close();
  return copied.ok() ? closed : copied;
}

Status Store::CopyLogTo(Store* copy, BackedUp* done) {
  // Whoever has a segment in a list reads it to the end, whatever is deleted meanwhile.
  const auto segments = log_.segments();
  const auto forgotten = [&] {
    std::lock_guard lock(retention_mutex_);
    return forgotten_.all();
  }();
  const int64_t end = log_.published();
  done->to = end;
  for (const auto& segment : *segments) {
    MILLRACE_RETURN_IF_ERROR(segment->Open());
    const int64_t to = std::min(end, segment->end());
    for (int64_t at = std::max(segment->from(), done->from); at < to;) {
      const int64_t bytes = std::min(kPieceBytes, to - at);
      std::vector<uint8_t> piece(static_cast<size_t>(bytes));
      MILLRACE_RETURN_IF_ERROR(segment->CopyOut(at - segment->from(), piece.data(), piece.size()));
      MILLRACE_RETURN_IF_ERROR(copy->AppendRaw(at, piece.data(), piece.size()));
      at += bytes;
      done->bytes += bytes;
    }
  }
  Cleaned cleaned;
  bool synced = false;
  MILLRACE_RETURN_IF_ERROR(copy->flusher_.SyncTo(end, INT32_MAX, &synced));
  MILLRACE_RETURN_IF_ERROR(copy->DeleteBelow(min_log_offset(), &cleaned));
  for (const auto& [topic, to] : forgotten) {
    std::lock_guard lock(copy->retention_mutex_);
    MILLRACE_RETURN_IF_ERROR(copy->Forget(topic, to));
  }
  // Numbers are never given twice: a queue goes on behind its last message, though the log has none of it any more.
  std::lock_guard lock(copy->append_mutex_);
  for (const ConsumeQueue* queue : queues_.All()) {
    ConsumeQueue* const other = copy->queues_.Get(queue->topic(), queue->queue_id());
    const int64_t begin = std::min(queue->min_offset(), queue->max_offset());
    if (other != nullptr && other->max_offset() == 0 && begin > 0 && queue->mark().max_offset <= begin)
      MILLRACE_RETURN_IF_ERROR(other->SetBounds(begin, begin));
  }
  copy->queues_.MarkAll();
  return Status::Ok();
}

// What lies there must be this log's beginning, as far as both have it. Seen before anything is opened to write:
// another store is left as it is.
Status Store::CheckBelongs(StoreOptions options) const {
  bool exists = false;
  MILLRACE_RETURN_IF_ERROR(LogDirectories(files_, StorePaths::Of(options.root).logs, 1).Exist(&exists));
  if (!exists) return Status::Ok();
  options.read_only = true;
  std::shared_ptr<Store> other;
  MILLRACE_RETURN_IF_ERROR(Open(files_, std::move(options), &other));
  const auto segments = log_.segments(), other_segments = other->log_.segments();
  if (other_segments->empty()) return Status::Ok();
  const int64_t end = log_.published(), min = min_log_offset(), other_end = other->log_.published();
  const auto refused = [&](const std::string& why) {
    return Status::Error(Code::kBackupMismatch, "is no earlier backup of " + paths_.root + ": " + why,
                         other->paths_.root, other_end);
  };
  if (other_end < min || other_end > end)
    return refused("its log ends at " + std::to_string(other_end) + ", and this one has " + std::to_string(min) +
                   " to " + std::to_string(end));
  for (int64_t at = std::max({min, other->min_log_offset(), other_end - kPieceBytes}); at < other_end;) {
    const auto here = CommitLog::FindIn(*segments, at, log_.segment_bytes());
    const auto there = CommitLog::FindIn(*other_segments, at, log_.segment_bytes());
    MILLRACE_RETURN_IF_ERROR(here->Open());
    MILLRACE_RETURN_IF_ERROR(there->Open());
    const int64_t bytes = std::min(other_end, here->end()) - at;
    const bool same = memcmp(here->base() + (at - here->from()), there->base() + (at - there->from()),
                             static_cast<size_t>(bytes)) == 0;
    MILLRACE_RETURN_IF_ERROR(here->Readable(at));
    MILLRACE_RETURN_IF_ERROR(there->Readable(at));
    if (!same) return refused("the logs differ before " + std::to_string(other_end));
    at += bytes;
  }
  return Status::Ok();
}

}  // namespace millrace
