// Store: opening, states and closing. Appending, reading and checkpoints are in store_append.cc, store_read.cc and
// store_checkpoint.cc.
#include "store.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <ctime>

#include "canary.h"

namespace millrace {

namespace {

constexpr int64_t kDefaultSegmentBytes = int64_t{1} << 30;
constexpr int64_t kDefaultQueueFileBytes = 6000000;
constexpr int64_t kDefaultExtensionFileBytes = int64_t{48} << 20;

CommitLog::Options LogOptions(const StoreOptions& options, const StorePaths& paths) {
  return {paths.logs, options.segment_bytes, !options.read_only,
          options.synchronous_flush ? SegmentKeeper::kNeverPopulate : SegmentKeeper::kPopulateBytesPerSecond,
          options.retention.clean_forcibly_above};
}

ConsumeQueues::Options QueueOptions(const StoreOptions& options, const StorePaths& paths) {
  ConsumeQueues::Options out;
  out.paths = paths;
  out.file_bytes = options.queue_file_bytes;
  out.writable = !options.read_only;
  // A file that holds no unit at all makes Java leave out the extension.
  if (options.queue_extension && out.writable &&
      options.extension_file_bytes >= kExtensionUnitBytes + kExtensionEndBytes)
    out.extension_bytes = options.extension_file_bytes;
  out.tail_budget_bytes = options.tail_budget_bytes;
  return out;
}

IndexFiles::Options IndexOptions(const StoreOptions& options, const StorePaths& paths) {
  IndexFiles::Options out;
  out.paths = paths;
  out.sizes_given = options.index_slots > 0 && options.index_entries > 0;
  if (out.sizes_given) out.sizes = {options.index_slots, options.index_entries};
  out.writable = !options.read_only;
  out.enabled = options.index_enabled;
  return out;
}

}  // namespace

int64_t Store::NowMs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

Store::Store(FileSystem* files, StoreOptions options, StorePaths paths)
    : files_(files),
      options_(std::move(options)),
      paths_(std::move(paths)),
      read_only_(options_.read_only),
      rules_(options_.delay_levels_ms, options_.multi_dispatch, options_.lmq),
      log_(files, LogOptions(options_, paths_)),
      queues_(files, QueueOptions(options_, paths_)),
      index_(files, IndexOptions(options_, paths_)),
      flusher_(&log_, options_.flush),
      position_(files, paths_, &flusher_),
      forgotten_(files, paths_) {}

Store::~Store() { StopThreads(); }

Status Store::Open(FileSystem* files, StoreOptions options, std::shared_ptr<Store>* out) {
  const auto started = std::chrono::steady_clock::now();
  MappingGuard::PrepareThread();
  while (options.root.size() > 1 && options.root.back() == '/') options.root.pop_back();
  options.flush.synchronous = options.synchronous_flush;
  if (!options.aside.empty()) options.rebuild_index = true;
  StorePaths paths = StorePaths::Of(options.root, options.log_directories, options.read_only_log_directories);
  bool exists = false;
  FileInfo info;
  MILLRACE_RETURN_IF_ERROR(files->Stat(options.root, &info, &exists));
  if (!exists && options.read_only) return Status::Error(Code::kNoStore, "there is no such directory", options.root);
  if (!exists) MILLRACE_RETURN_IF_ERROR(MakeFolders(files, options.root));
  bool log_exists = false;
  const LogDirectories logs(files, paths.logs, 1);
  MILLRACE_RETURN_IF_ERROR(logs.Exist(&log_exists));
  if (!options.read_only && logs.Births().empty())
    return Status::Error(Code::kInvalidArgument, "the log has no directory that segments may be made in", logs.first());
  if (!log_exists && options.read_only) return Status::Error(Code::kNoStore, "holds no commit log", logs.first());

  std::vector<DirectoryEntry> entries;
  MILLRACE_RETURN_IF_ERROR(files->List(options.root, &entries));
  for (const auto& entry : entries)
    if (entry.kind == DirectoryEntry::Kind::kDirectory && entry.name.compare(0, 8, "dledger-") == 0)
      return Status::Error(Code::kDledgerStore, "is the log of a DLedger broker, which has another layout",
                           options.root + "/" + entry.name);

  // The lock comes before anything is read: what another process is writing must not be judged.
  std::unique_ptr<StoreLock> lock;
  if (!options.read_only) {
    lock = std::make_unique<StoreLock>();
    MILLRACE_RETURN_IF_ERROR(lock->Take(files, paths.lock, options.root));
  }

  if (options.segment_bytes == 0) options.segment_bytes = log_exists ? logs.SegmentLength() : 0;
  if (options.segment_bytes == 0) options.segment_bytes = kDefaultSegmentBytes;
  if (options.queue_file_bytes == 0) options.queue_file_bytes = FoundLength(files, paths.queues, 2);
  if (options.queue_file_bytes == 0) options.queue_file_bytes = kDefaultQueueFileBytes;
  if (options.extension_file_bytes == 0) options.extension_file_bytes = FoundLength(files, paths.extensions, 2);
  if (options.extension_file_bytes == 0) options.extension_file_bytes = kDefaultExtensionFileBytes;
  options.queue_file_bytes = (options.queue_file_bytes + kUnitBytes - 1) / kUnitBytes * kUnitBytes;

  // A writer may take a file away between a reader's look at its name and at what it holds: the reader looks again.
  Status status;
  for (int looks = options.read_only ? 8 : 1; looks > 0; looks--) {
    std::shared_ptr<Store> store(new Store(files, options, paths));
    store->lock_ = std::move(lock);
    status = store->Recover(log_exists);
    if (status.ok()) {
      store->report_.milliseconds =
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count();
      *out = std::move(store);
      return status;
    }
    if (status.error_number() != ENOENT) return status;
  }
  return status;
}

Status Store::Recover(bool log_exists) {
  bool abort_exists = false, checkpoint_exists = false, has_position = false, has_table = false;
  FileInfo info;
  MILLRACE_RETURN_IF_ERROR(files_->Stat(paths_.abort, &info, &abort_exists));
  Checkpoint checkpoint;
  MILLRACE_RETURN_IF_ERROR(ReadCheckpoint(files_, paths_, &checkpoint, &checkpoint_exists));
  // None, when Java has written here since: what millrace knew about the disk is no longer the whole truth.
  Position position;
  MILLRACE_RETURN_IF_ERROR(position_.Read(checkpoint, &position, &has_position));
  QueueTable table;
  if (has_position) MILLRACE_RETURN_IF_ERROR(ReadQueueTable(files_, paths_, &table, &has_table));
  if (has_table && table.dispatched != position.dispatched) has_table = false;
  MILLRACE_RETURN_IF_ERROR(forgotten_.Load());
  if (log_exists) MILLRACE_RETURN_IF_ERROR(log_.Load());
  MILLRACE_RETURN_IF_ERROR([&] {
    const Status status = index_.Load();
    const bool of_index = status.code == Code::kIndexSizeUnknown || status.code == Code::kCorruptIndex;
    return of_index && options_.rebuild_index && !read_only_ ? Status::Ok() : status;
  }());
  const bool aside = !options_.aside.empty();
  if (aside) MILLRACE_RETURN_IF_ERROR(CheckAside());

  report_.clean_before = !abort_exists;
  Recovery recovery(
      {files_, &log_, &queues_, &index_, &forgotten_, &rules_, !abort_exists, has_position, position, checkpoint,
       has_table, table, options_.check_crc || aside, options_.on_corruption, read_only_, options_.rebuild_index, aside,
       options_.on_progress, [&] { return has_position && !read_only_ ? position_.Retract() : Status::Ok(); }},
      &report_);
  // A crash, or a sync that failed before it, may have left pages that the kernel calls clean and the disk does not
  // have; in memory, for what has to be read from the disk is on it.
  std::vector<LogRange> in_doubt;
  if (has_position && !report_.clean_before && !read_only_) {
    MILLRACE_RETURN_IF_ERROR(log_.InMemory(position.synced, INT64_MAX, &in_doubt));
  } else if (has_position) {
    in_doubt.push_back({position.synced, INT64_MAX});
  }
  MILLRACE_RETURN_IF_ERROR(recovery.Scan());
  if (report_.corrupt && options_.on_corruption == OnCorruption::kReadOnly && !read_only_)
    return Status::Error(Code::kCorruptLog, "opens only for reading", paths_.root, report_.torn_offset);

  if (!read_only_) {
    bool made = false;
    MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, paths_.work, true, &made));
    MILLRACE_RETURN_IF_ERROR(log_.directories().Make());
    MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, paths_.queues, true, &made));
    if (queues_.options().extension_bytes > 0)
      MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, paths_.extensions, true, &made));
    MILLRACE_RETURN_IF_ERROR(queues_.Start());
    MILLRACE_RETURN_IF_ERROR(RemoveLeftovers());
    // What a Java store left behind that died between making a file and giving it its length.
    for (const auto& path : {log_.empty_last(), index_.empty_last()}) {
      if (path.empty()) continue;
      MILLRACE_RETURN_IF_ERROR(files_->Unlink(path));
      report_.leftovers.push_back(path);
    }
    MILLRACE_RETURN_IF_ERROR(lock_->Sign());
    // From here on files change: a crash in the middle must be seen as one.
    int fd = -1;
    MILLRACE_RETURN_IF_ERROR(files_->Open(paths_.abort, OpenMode::kCreate, &fd));
    files_->Close(fd);
    MILLRACE_RETURN_IF_ERROR(files_->SyncDirectory(paths_.root));
    if (aside) MILLRACE_RETURN_IF_ERROR(SetAside(&recovery, std::move(table), checkpoint, has_position));
  }
  const int64_t end = report_.end;
  MILLRACE_RETURN_IF_ERROR(forgotten_.CutAt(end, !read_only_));
  // What is in doubt is on its way to the disk while queues and index are brought up to the log.
  Status rewritten;
  {
    Thread rewriting;
    if (!read_only_ && (!report_.clean_before || report_.changed) && !in_doubt.empty() &&
        !Sings(Canary::kNoSyncAfterRecovery)) {
      const auto rewrite = [&] { rewritten = log_.Rewrite(in_doubt, end); };
      if (!rewriting.Start(rewrite).ok()) rewrite();
    }
    MILLRACE_RETURN_IF_ERROR(recovery.Apply());
  }
  MILLRACE_RETURN_IF_ERROR(rewritten);
  queues_.MarkAll();
  followed_to_ = log_.min_offset();
  position_.CutAt(end);
  const bool unclean = !report_.clean_before || report_.changed || !has_position;
  MILLRACE_RETURN_IF_ERROR(log_.Start(end));
  raw_dispatched_ = end;
  last_timestamp_ = report_.records > 0 ? report_.last_timestamp : std::min(checkpoint.physic_ms, checkpoint.logics_ms);
  if (!read_only_) {
    if (unclean && !Sings(Canary::kNoSyncAfterRecovery))
      MILLRACE_RETURN_IF_ERROR(
          log_.Sync(std::min(report_.scanned_from, has_position ? std::min(position.synced, end) : 0),
                    std::max<int64_t>(end, 1)));
    MILLRACE_RETURN_IF_ERROR(flusher_.Start(end));
    state_ = static_cast<int>(StoreState::kOpen);
    if (unclean) {
      const Status status = WriteCheckpoints(false);
      if (!status.ok()) {
        state_ = static_cast<int>(StoreState::kFailed);
        return status;
      }
    } else {
      MILLRACE_RETURN_IF_ERROR(position_.Advance());
      checkpointed_to_ = end;
    }
    MILLRACE_RETURN_IF_ERROR(position_.Start());
    MILLRACE_RETURN_IF_ERROR(housekeeper_.Start([this] { RunHousekeeper(); }));
  }
  state_ = static_cast<int>(StoreState::kOpen);
  return Status::Ok();
}

Status Store::RemoveLeftovers() {
  std::vector<std::string> directories = log_.directories().Births();
  if (std::find(directories.begin(), directories.end(), paths_.work) == directories.end())
    directories.push_back(paths_.work);
  for (const std::string& directory : directories) {
    std::vector<DirectoryEntry> entries;
    MILLRACE_RETURN_IF_ERROR(files_->List(directory, &entries));
    for (const auto& entry : entries) {
      const std::string path = directory + "/" + entry.name;
      const bool ours = path == paths_.position || path == paths_.queue_table || path == paths_.forgotten;
      if (ours || entry.kind == DirectoryEntry::Kind::kDirectory) continue;
      MILLRACE_RETURN_IF_ERROR(files_->Unlink(path));
      report_.leftovers.push_back(path);
    }
  }
  return Status::Ok();
}

StoreState Store::state() const {
  const auto state = static_cast<StoreState>(state_.load(std::memory_order_acquire));
  if (state == StoreState::kOpen && (flusher_.failed() || poisoned_.load(std::memory_order_relaxed)))
    return StoreState::kFailed;
  return state;
}

Status Store::CheckOpen() const {
  switch (state()) {
    case StoreState::kOpen:
    case StoreState::kFailed:
      return Status::Ok();  // what is in the log can still be read
    case StoreState::kOpening:
      return Status::Error(Code::kStoreNotOpen, "the store is still opening", paths_.root);
    case StoreState::kClosing:
      return Status::Error(Code::kStoreNotOpen, "the store is closing", paths_.root);
    case StoreState::kClosed:
      return Status::Error(Code::kStoreNotOpen, "the store is closed", paths_.root);
  }
  return Status::Ok();
}

Status Store::WhyNotWritable() const {
  if (read_only_) return Status::Error(Code::kStoreReadOnly, "the store is open for reading only", paths_.root);
  if (state() == StoreState::kFailed) {
    const Status failure = flusher_.failure();
    return Status::Error(Code::kStoreFailed,
                         "a write or sync of the store failed" +
                             (failure.ok() ? std::string() : ": " + failure.message()) + "; close it and open it again",
                         failure.path());
  }
  if (state() == StoreState::kOpen && disk_full())
    return Status::Error(Code::kDiskFull,
                         "the disk is used to more than " +
                             std::to_string(std::lround(100 * options_.retention.refuse_above)) +
                             " %, up to which messages are taken (diskSpaceWarningLevelRatio)",
                         paths_.root);
  return CheckOpen();
}

Status Store::Queue(std::string_view topic, int32_t queue_id, ConsumeQueue** out) {
  if (!IsTopicName(topic, kMaxTopicBytes))
    return Status::Error(Code::kMessageIllegal, "topic '" + std::string(topic.substr(0, 150)) +
                                                    "' is not 1 to 127 of the characters %|-_0-9a-zA-Z");
  if (queue_id < 0) return Status::Error(Code::kMessageIllegal, "queueId " + std::to_string(queue_id) + " is negative");
  *out = queues_.GetOrMake(topic, queue_id);
  return Status::Ok();
}

void Store::StopHousekeeper() {
  {
    std::lock_guard lock(housekeeper_mutex_);
    housekeeper_stop_ = true;
  }
  housekeeper_wake_.notify_all();
  housekeeper_.Join();
}

void Store::StopThreads() {
  StopHousekeeper();
  position_.Stop();
  flusher_.Stop();
  log_.Stop();
}

Status Store::Close() {
  std::lock_guard close_lock(close_mutex_);
  if (close_done_) return close_status_;
  const bool was_open = state() == StoreState::kOpen;
  const Status failed = was_open || read_only_ ? Status::Ok() : WhyNotWritable();
  {
    std::lock_guard lock(append_mutex_);
    state_ = static_cast<int>(StoreState::kClosing);
  }
  StopHousekeeper();
  if (!read_only_) {
    if (was_open) {
      close_status_ = WriteCheckpoints(true);
      for (ConsumeQueue* queue : queues_.All())
        if (close_status_.ok()) close_status_ = queue->RemoveMadeAhead();
      // `abort` goes by Java's rule: everything is dispatched and on disk.
      if (close_status_.ok()) close_status_ = files_->Unlink(paths_.abort);
      if (close_status_.ok()) close_status_ = files_->SyncDirectory(paths_.root);
    } else {
      // A write may have failed, and the disk syncs all the same: what was appended before it is not given up.
      bool done = false;
      (void)flusher_.SyncTo(log_.published(), INT32_MAX, &done);
      close_status_ = flusher_.failure();
      if (close_status_.ok()) close_status_ = failed;
      std::lock_guard lock(checkpoint_mutex_);  // one that was begun has seen that the store closes
    }
    position_.Stop();
    (void)position_.Advance();  // where the closing failed: what was synced before is on disk all the same
  }
  StopThreads();
  queues_.descriptors().Clear();
  if (lock_) lock_->Release();
  state_ = static_cast<int>(StoreState::kClosed);
  close_done_ = true;
  return close_status_;
}

}  // namespace millrace
