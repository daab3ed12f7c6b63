#include "store.h"

#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "platform.h"

namespace millrace {

namespace {

constexpr int64_t kDefaultSegmentBytes = int64_t{1} << 30;
constexpr int64_t kDefaultQueueFileBytes = 6000000;
constexpr int32_t kRecordSlackBytes = 65536;                // a whole record may be so much larger than maxMessageSize
constexpr auto kHousekeeperLook = std::chrono::seconds(1);  // without a sync (segments rolled, checkpoints due)
constexpr auto kPositionDelay = std::chrono::milliseconds(40);  // with the sync itself well within 100 ms

CommitLog::Options LogOptions(const StoreOptions& options, const StorePaths& paths) {
  return {paths.log, paths.log_work, options.segment_bytes, !options.read_only, !options.synchronous_flush};
}

ConsumeQueues::Options QueueOptions(const StoreOptions& options, const StorePaths& paths) {
  ConsumeQueues::Options out;
  out.paths = paths;
  out.file_bytes = options.queue_file_bytes;
  out.writable = !options.read_only;
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

// The length of the first file with a segment's name below `directory`, 0 when there is none. Nothing is judged here:
// loading does that.
int64_t FoundLength(FileSystem* files, const std::string& directory, int depth) {
  std::vector<DirectoryEntry> entries;
  if (!files->List(directory, &entries).ok()) return 0;
  for (const auto& entry : entries) {
    const std::string path = directory + "/" + entry.name;
    int64_t from = 0;
    if (depth > 0 && entry.kind == DirectoryEntry::Kind::kDirectory) {
      if (const int64_t bytes = FoundLength(files, path, depth - 1); bytes > 0) return bytes;
    } else if (depth == 0 && entry.kind == DirectoryEntry::Kind::kFile && ParseSegmentName(entry.name, &from)) {
      FileInfo info;
      bool exists = false;
      if (files->Stat(path, &info, &exists).ok() && exists && info.bytes > 0) return info.bytes;
    }
  }
  return 0;
}

int64_t MemoryBytes() {
  static const int64_t bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  return bytes > 0 ? bytes : int64_t{24} << 30;
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
      position_file_(files, paths_) {}

Store::~Store() {
  StopThreads();
  if (lock_fd_ >= 0) {
    files_->Unlock(lock_fd_);
    files_->Close(lock_fd_);
  }
}

Status Store::Open(FileSystem* files, StoreOptions options, std::shared_ptr<Store>* out) {
  const auto started = std::chrono::steady_clock::now();
  MappingGuard::PrepareThread();
  while (options.root.size() > 1 && options.root.back() == '/') options.root.pop_back();
  options.flush.synchronous = options.synchronous_flush;
  StorePaths paths = StorePaths::Of(options.root, options.log_directory);
  bool exists = false;
  FileInfo info;
  MILLRACE_RETURN_IF_ERROR(files->Stat(options.root, &info, &exists));
  if (!exists && options.read_only) return Status::Error(Code::kNoStore, "there is no such directory", options.root);
  if (!exists) MILLRACE_RETURN_IF_ERROR(MakeFolders(files, options.root));
  bool log_exists = false;
  MILLRACE_RETURN_IF_ERROR(CheckFolder(files, paths.log, false, &log_exists));
  if (!log_exists && options.read_only) return Status::Error(Code::kNoStore, "holds no commit log", paths.log);

  std::vector<DirectoryEntry> entries;
  MILLRACE_RETURN_IF_ERROR(files->List(options.root, &entries));
  for (const auto& entry : entries)
    if (entry.kind == DirectoryEntry::Kind::kDirectory && entry.name.compare(0, 8, "dledger-") == 0)
      return Status::Error(Code::kDledgerStore, "is the log of a DLedger broker, which has another layout",
                           options.root + "/" + entry.name);

  // The lock comes before anything is read: what another process is writing must not be judged.
  int lock_fd = -1;
  if (!options.read_only) {
    MILLRACE_RETURN_IF_ERROR(files->Open(paths.lock, OpenMode::kCreate, &lock_fd));
    bool taken = false;
    int64_t holder = 0;
    Status status = files->Lock(lock_fd, &taken, &holder);
    if (status.ok() && !taken) {
      if (holder == 0) {  // ours writes its process id behind Java's four bytes
        char text[32] = {};
        size_t got = 0;
        if (files->Read(lock_fd, text, sizeof text - 1, 4, &got).ok()) holder = strtoll(text, nullptr, 10);
      }
      status = Status::Error(Code::kStoreLocked,
                             holder > 0 ? "is open in process " + std::to_string(holder) : "is open elsewhere",
                             options.root, holder);
    }
    if (!status.ok()) {
      files->Close(lock_fd);
      if (status.path.empty()) status.path = paths.lock;
      return status;
    }
  }

  if (options.segment_bytes == 0) options.segment_bytes = log_exists ? FoundLength(files, paths.log, 0) : 0;
  if (options.segment_bytes == 0) options.segment_bytes = kDefaultSegmentBytes;
  if (options.queue_file_bytes == 0) options.queue_file_bytes = FoundLength(files, paths.queues, 2);
  if (options.queue_file_bytes == 0) options.queue_file_bytes = kDefaultQueueFileBytes;
  options.queue_file_bytes = (options.queue_file_bytes + kUnitBytes - 1) / kUnitBytes * kUnitBytes;

  std::shared_ptr<Store> store(new Store(files, std::move(options), std::move(paths)));
  store->lock_fd_ = lock_fd;
  MILLRACE_RETURN_IF_ERROR(store->Recover(log_exists));
  store->report_.milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count();
  *out = std::move(store);
  return Status::Ok();
}

Status Store::Recover(bool log_exists) {
  bool abort_exists = false, checkpoint_exists = false, has_position = false, has_table = false;
  FileInfo info;
  MILLRACE_RETURN_IF_ERROR(files_->Stat(paths_.abort, &info, &abort_exists));
  MILLRACE_RETURN_IF_ERROR(ReadCheckpoint(files_, paths_, &checkpoint_, &checkpoint_exists));
  MILLRACE_RETURN_IF_ERROR(position_file_.Read(&position_, &has_position));
  // Java has written here since: what millrace knew about the disk is no longer the whole truth.
  if (has_position && !(position_.checkpoint == checkpoint_)) has_position = false;
  QueueTable table;
  if (has_position) MILLRACE_RETURN_IF_ERROR(ReadQueueTable(files_, paths_, &table, &has_table));
  if (has_table && table.dispatched != position_.dispatched) has_table = false;
  if (log_exists) MILLRACE_RETURN_IF_ERROR(log_.Load());
  MILLRACE_RETURN_IF_ERROR([&] {
    const Status status = index_.Load();
    return status.code == Code::kIndexSizeUnknown && options_.rebuild_index && !read_only_ ? Status::Ok() : status;
  }());

  report_.clean_before = !abort_exists;
  Recovery recovery({files_, &log_, &queues_, &index_, &rules_, !abort_exists, has_position, position_, checkpoint_,
                     has_table, std::move(table), options_.check_crc, options_.on_corruption, read_only_,
                     options_.rebuild_index, options_.on_progress},
                    &report_);
  MILLRACE_RETURN_IF_ERROR(recovery.Scan());
  if (report_.corrupt && options_.on_corruption == OnCorruption::kReadOnly && !read_only_)
    return Status::Error(Code::kCorruptLog, "opens only for reading", paths_.root, report_.torn_offset);

  if (!read_only_) {
    bool made = false;
    MILLRACE_RETURN_IF_ERROR(MakeFolders(files_, paths_.log));
    MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, paths_.work, true, &made));
    MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, paths_.log_work, true, &made));
    MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, paths_.log, true, &made));
    MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, paths_.queues, true, &made));
    MILLRACE_RETURN_IF_ERROR(queues_.Start());
    MILLRACE_RETURN_IF_ERROR(RemoveLeftovers());
    // What a Java store left behind that died between making a file and giving it its length.
    for (const auto& path : {log_.empty_last(), index_.empty_last()}) {
      if (path.empty()) continue;
      MILLRACE_RETURN_IF_ERROR(files_->Unlink(path));
      report_.leftovers.push_back(path);
    }
    MILLRACE_RETURN_IF_ERROR(TakeLock());
    // From here on files change: a crash in the middle must be seen as one.
    int fd = -1;
    MILLRACE_RETURN_IF_ERROR(files_->Open(paths_.abort, OpenMode::kCreate, &fd));
    files_->Close(fd);
    MILLRACE_RETURN_IF_ERROR(files_->SyncDirectory(paths_.root));
  }
  MILLRACE_RETURN_IF_ERROR(recovery.Apply());

  const int64_t end = report_.end;
  // What was cut is given up: it must not be asked for again.
  position_.synced = std::min(position_.synced, end);
  position_.dispatched = std::min(position_.dispatched, end);
  const bool unclean = !report_.clean_before || report_.changed || !has_position;
  // A crash, or a sync that failed before it, may have left pages that the kernel calls clean and the disk does not
  // have.
  if (!read_only_ && unclean && has_position && position_.synced < end)
    MILLRACE_RETURN_IF_ERROR(log_.Rewrite(position_.synced, end));
  MILLRACE_RETURN_IF_ERROR(log_.Start(end));
  raw_dispatched_ = end;
  if (!read_only_) {
    if (unclean)
      MILLRACE_RETURN_IF_ERROR(
          log_.Sync(std::min(report_.scanned_from, has_position ? position_.synced : 0), std::max<int64_t>(end, 1)));
    flusher_.Start(end);
    last_timestamp_ =
        report_.records > 0 ? report_.last_timestamp : std::min(checkpoint_.physic_ms, checkpoint_.logics_ms);
    flush_listener_ = flusher_.AddListener([this] { NudgeHousekeeper(); });
    state_ = static_cast<int>(StoreState::kOpen);
    if (unclean) {
      const Status status = WriteCheckpoints(false);
      if (!status.ok()) {
        state_ = static_cast<int>(StoreState::kFailed);
        return status;
      }
    } else {
      MILLRACE_RETURN_IF_ERROR(WritePosition(false));
    }
    housekeeper_ = std::thread([this] { RunHousekeeper(); });
  }
  state_ = static_cast<int>(StoreState::kOpen);
  return Status::Ok();
}

Status Store::TakeLock() {
  const std::string text = "lock" + std::to_string(getpid()) + "\n";
  MILLRACE_RETURN_IF_ERROR(files_->SetLength(lock_fd_, 0));
  return files_->Write(lock_fd_, text.data(), text.size(), 0);
}

Status Store::RemoveLeftovers() {
  for (const std::string& directory : {paths_.work, paths_.log_work}) {
    std::vector<DirectoryEntry> entries;
    MILLRACE_RETURN_IF_ERROR(files_->List(directory, &entries));
    for (const auto& entry : entries) {
      const std::string path = directory + "/" + entry.name;
      if (path == paths_.position || path == paths_.queue_table || entry.kind == DirectoryEntry::Kind::kDirectory)
        continue;
      MILLRACE_RETURN_IF_ERROR(files_->Unlink(path));
      report_.leftovers.push_back(path);
    }
    if (paths_.work == paths_.log_work) break;
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

Status Store::CheckWritable() const {
  if (read_only_) return Status::Error(Code::kStoreReadOnly, "the store is open for reading only", paths_.root);
  if (state() == StoreState::kFailed) {
    const Status failure = flusher_.failure();
    return Status::Error(Code::kStoreFailed,
                         "a write or sync of the store failed" +
                             (failure.ok() ? std::string() : ": " + failure.message) + "; close it and open it again",
                         failure.path);
  }
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

Status Store::Append(AppendBuffer* buffer, const MessageFields* messages, ConsumeQueue* const* queues, size_t count,
                     AppendMode mode, AppendOutcome* outcomes) {
  MILLRACE_RETURN_IF_ERROR(CheckWritable());
  // 1. Without the lock: check, encode, hash.
  buffer->placements.clear();
  buffer->tag_codes.clear();
  buffer->hashes.clear();
  buffer->hash_ends.clear();
  buffer->accepted.clear();
  size_t used = 0;
  int64_t total = 0;
  const bool index = index_.enabled();
  for (size_t i = 0; i < count; i++) {
    const MessageFields& message = messages[i];
    const RecordSizes sizes = SizesOf(message);
    Code refused = Code::kOk;
    if (sizes.properties > kMaxPropertiesBytes) refused = Code::kPropertiesSizeExceeded;
    if (message.body.size() > static_cast<size_t>(options_.max_message_bytes)) refused = Code::kMessageIllegal;
    if (sizes.total > options_.max_message_bytes + kRecordSlackBytes || sizes.total > log_.MaxRecordBytes())
      refused = Code::kMessageIllegal;
    outcomes[i].code = refused;
    outcomes[i].size = sizes.total;
    if (refused != Code::kOk) {
      if (!mode.all_or_nothing) continue;
      const std::string what =
          refused == Code::kPropertiesSizeExceeded
              ? "its properties take " + std::to_string(sizes.properties) + " bytes, and 32,767 are allowed"
              : "its body takes " + std::to_string(message.body.size()) + " bytes and its record " +
                    std::to_string(sizes.total) + "; maxMessageSize is " + std::to_string(options_.max_message_bytes) +
                    ", a segment " + std::to_string(log_.segment_bytes());
      return Status::Error(refused, "message " + std::to_string(i) + ": " + what, {}, static_cast<int64_t>(i));
    }
    const auto needed = used + static_cast<size_t>(sizes.total);
    if (needed > buffer->records.size()) buffer->records.resize(std::max(needed, buffer->records.size() * 2));
    EncodeRecord(message, sizes, buffer->records.data() + used);
    used += static_cast<size_t>(sizes.total);
    total += sizes.total;

    KnownProperties known;
    if (!message.properties.empty()) known = ReadProperties(message.properties);
    if (!message.tags.empty()) known.tags = message.tags;
    if (!message.keys.empty()) known.keys = message.keys;
    // A delayed record's code is a time, counted from the store time: its delay is added under the lock.
    buffer->tag_codes.push_back(rules_.TagCode(message.topic, known.tags, known.delay, 0));
    if (DispatchRules::IsDelayed(message.topic, known.delay)) outcomes[i].size = -sizes.total;
    if (index && EntersIndex(message.sys_flag))
      DispatchRules::KeyHashes(message.topic, known.unique_key, known.keys, &buffer->hashes);
    buffer->hash_ends.push_back(static_cast<int32_t>(buffer->hashes.size()));
    buffer->placements.push_back({sizes.total, 0});
    buffer->accepted.push_back(i);
  }
  const size_t accepted = buffer->accepted.size();
  if (accepted == 0) return Status::Ok();
  if (mode.together && total > log_.MaxRecordBytes())
    return Status::Error(Code::kMessageIllegal, "the batch takes " + std::to_string(total) +
                                                    " bytes, which no segment of " +
                                                    std::to_string(log_.segment_bytes()) + " holds whole");

  // 2. With the lock: numbers, bytes, publication, queues, index.
  std::unique_lock lock(append_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    const int64_t since = append_since_ms_.load(std::memory_order_relaxed);
    if (since != 0 && NowMs() - since > options_.pagecache_busy_ms)
      return Status::Error(
          Code::kPagecacheBusy,
          "another append has held the log for over " + std::to_string(options_.pagecache_busy_ms) + " ms",
          paths_.root);
    lock.lock();
  }
  MILLRACE_RETURN_IF_ERROR(CheckWritable());
  const int64_t now = NowMs();
  append_since_ms_.store(now, std::memory_order_relaxed);
  const struct Leaving {
    std::atomic<int64_t>& since;
    ~Leaving() { since.store(0, std::memory_order_relaxed); }
  } leaving{append_since_ms_};
  ConsumeQueue* last_queue = nullptr;
  Status status;
  for (size_t n = 0; n < accepted && status.ok(); n++) {
    ConsumeQueue* const queue = queues[buffer->accepted[n]];
    if (queue != last_queue && EntersQueue(messages[buffer->accepted[n]].sys_flag))
      status = queue->Prepare(static_cast<int64_t>(accepted));
    last_queue = queue;
  }
  if (status.ok()) status = index_.Prepare(static_cast<int64_t>(buffer->hashes.size()));
  if (status.ok()) status = log_.Place(buffer->placements.data(), accepted, mode.together);
  if (!status.ok()) return status;

  uint8_t* record = buffer->records.data();
  for (size_t n = 0; n < accepted; n++) {
    const size_t i = buffer->accepted[n];
    const MessageFields& message = messages[i];
    AppendOutcome& outcome = outcomes[i];
    ConsumeQueue* const queue = queues[i];
    if (outcome.size < 0) {
      outcome.size = -outcome.size;
      if (buffer->tag_codes[n] != 0) buffer->tag_codes[n] += now;
    }
    outcome.log_offset = buffer->placements[n].log_offset;
    outcome.store_timestamp = now;
    outcome.queue_offset = 0;
    if (EntersQueue(message.sys_flag)) {
      outcome.queue_offset = queue->next_offset();
      queue->set_next_offset(outcome.queue_offset + 1);
    }
    PatchRecord(record, message.born_host->bytes(), outcome.queue_offset, outcome.log_offset, now);
    record += outcome.size;
  }
  bool poisoned = false;
  status = log_.Write(buffer->records.data(), buffer->placements.data(), accepted, &poisoned);
  if (!status.ok()) {
    for (size_t n = 0; n < accepted; n++)
      queues[buffer->accepted[n]]->set_next_offset(queues[buffer->accepted[n]]->max_offset());
    if (poisoned) poisoned_.store(true, std::memory_order_release);
    return status;
  }
  log_.Publish(log_.end());
  raw_dispatched_ = log_.end();
  last_timestamp_.store(now, std::memory_order_relaxed);
  flusher_.NoteAppended(now);
  int32_t hash = 0;
  for (size_t n = 0; n < accepted; n++) {
    const size_t i = buffer->accepted[n];
    const AppendOutcome& outcome = outcomes[i];
    if (EntersQueue(messages[i].sys_flag)) queues[i]->Put({outcome.log_offset, outcome.size, buffer->tag_codes[n]});
    for (; hash < buffer->hash_ends[n]; hash++)
      index_.Put(buffer->hashes[static_cast<size_t>(hash)], outcome.log_offset, now);
  }
  return Status::Ok();
}

Status Store::AppendRaw(int64_t log_offset, const uint8_t* bytes, size_t count) {
  std::lock_guard lock(append_mutex_);
  MILLRACE_RETURN_IF_ERROR(CheckWritable());
  if (log_.end() == 0 && log_.segments()->empty() && log_offset % log_.segment_bytes() == 0 && log_offset > 0) {
    MILLRACE_RETURN_IF_ERROR(log_.Start(log_offset));  // an empty replica begins at whatever segment its master sends
    raw_dispatched_ = log_offset;
  }
  if (log_offset != log_.end())
    return Status::Error(Code::kAppendGap,
                         "bytes of log offset " + std::to_string(log_offset) +
                             " do not follow the log, which ends at " + std::to_string(log_.end()),
                         paths_.root, log_.end());
  bool poisoned = false;
  const Status status = log_.WriteRaw(bytes, count, &poisoned);
  if (poisoned) poisoned_.store(true, std::memory_order_release);
  MILLRACE_RETURN_IF_ERROR(status);
  MILLRACE_RETURN_IF_ERROR(DispatchRange(raw_dispatched_, log_.end(), &raw_dispatched_));
  return Status::Ok();
}

// Dispatches the whole records in [from, to) and publishes behind each; stops before one that is not whole yet.
Status Store::DispatchRange(int64_t from, int64_t to, int64_t* dispatched) {
  const auto segments = log_.segments();
  std::vector<int32_t> hashes;
  while (from < to) {
    const auto segment = CommitLog::FindIn(*segments, from, log_.segment_bytes());
    if (!segment) break;
    MILLRACE_RETURN_IF_ERROR(segment->Open());
    const int64_t at = from - segment->from();
    const RecordView view = CheckRecord(segment->base() + at, std::min(segment->bytes() - at, to - from), from, true);
    if (view.found == Found::kBlank) {
      from = segment->end();
      log_.Publish(from);
      continue;
    }
    if (view.found != Found::kRecord || segment->damaged()) break;
    const KnownProperties properties = ReadProperties(view.properties);
    const int64_t tag_code = rules_.TagCode(view.topic, properties.tags, properties.delay, view.store_timestamp);
    const auto put = [&](std::string_view topic, int32_t queue_id, int64_t queue_offset, int64_t code) -> Status {
      ConsumeQueue* const queue = queues_.GetOrMake(topic, queue_id);
      if (queue == nullptr) return Status::Ok();
      if (queue->max_offset() == 0 && queue_offset > 0 && !queue->has_files())
        MILLRACE_RETURN_IF_ERROR(queue->SetBounds(queue_offset, queue_offset, -1));
      if (queue_offset != queue->max_offset()) return Status::Ok();
      if (!read_only_) MILLRACE_RETURN_IF_ERROR(queue->Prepare(1));
      queue->Put({view.log_offset, view.size, code});
      return Status::Ok();
    };
    if (!read_only_ && index_.enabled() && EntersIndex(view.sys_flag)) {
      hashes.clear();
      DispatchRules::KeyHashes(view.topic, properties.unique_key, properties.keys, &hashes);
      MILLRACE_RETURN_IF_ERROR(index_.Prepare(static_cast<int64_t>(hashes.size())));
    }
    from += view.size;
    log_.Publish(from);
    last_timestamp_.store(view.store_timestamp, std::memory_order_relaxed);
    flusher_.NoteAppended(view.store_timestamp);
    if (EntersQueue(view.sys_flag)) {
      MILLRACE_RETURN_IF_ERROR(put(view.topic, view.queue_id, view.queue_offset, tag_code));
      if (rules_.multi_dispatch())
        for (const auto& side : rules_.SideQueues(properties, view.queue_id))
          MILLRACE_RETURN_IF_ERROR(put(side.topic, side.queue_id, side.queue_offset,
                                       properties.tags.empty() ? 0 : JavaHash(properties.tags)));
    }
    for (const int32_t hash : hashes) index_.Put(hash, view.log_offset, view.store_timestamp);
    hashes.clear();
  }
  *dispatched = from;
  return Status::Ok();
}

Status Store::Refresh() {
  if (!read_only_) return Status::Ok();
  std::lock_guard lock(append_mutex_);
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  while (true) {
    std::shared_ptr<Segment> segment;
    MILLRACE_RETURN_IF_ERROR(log_.Find(raw_dispatched_, &segment));
    if (!segment) {  // the writer may have gone on to a new segment
      MILLRACE_RETURN_IF_ERROR(log_.Refresh());
      MILLRACE_RETURN_IF_ERROR(log_.Find(raw_dispatched_, &segment));
    }
    if (!segment) return Status::Ok();
    const int64_t before = raw_dispatched_;
    MILLRACE_RETURN_IF_ERROR(DispatchRange(before, log_.segments()->back()->end(), &raw_dispatched_));
    if (raw_dispatched_ == before) return Status::Ok();
  }
}

Status Store::WaitFlushed(int64_t log_offset, bool* done) {
  return flusher_.SyncTo(log_offset, options_.flush_timeout_ms, done);
}

// ---------------------------------------------------------------------------------------------------------------------------------------

Status Store::WritePosition(bool clean) {
  position_.synced = std::max(position_.synced, flusher_.flushed());
  position_.clean = clean;
  position_.checkpoint = checkpoint_;
  MILLRACE_RETURN_IF_ERROR(position_file_.Write(position_));
  synced_position_.store(position_.synced, std::memory_order_relaxed);
  return Status::Ok();
}

// Queue tails, queue files, index and log on disk; then, and only then, the files that say so.
Status Store::WriteCheckpoints(bool closing) {
  std::lock_guard checkpoint_lock(checkpoint_mutex_);
  int64_t end = 0, timestamp = 0;
  std::vector<ConsumeQueue*> dirty;
  {
    std::lock_guard lock(append_mutex_);
    end = raw_dispatched_;
    timestamp = last_timestamp_.load(std::memory_order_relaxed);
    dirty = queues_.TakeDirty();
  }
  Status status;
  for (ConsumeQueue* queue : dirty) {
    std::lock_guard lock(append_mutex_);
    const Status settled = queue->Settle();
    if (!settled.ok() && status.ok()) status = settled;
  }
  MILLRACE_RETURN_IF_ERROR(status);
  bool done = false;
  MILLRACE_RETURN_IF_ERROR(flusher_.SyncTo(end, INT32_MAX, &done));
  MILLRACE_RETURN_IF_ERROR(queues_.Sync());
  MILLRACE_RETURN_IF_ERROR(index_.Sync());
  // The table says what the queues held at `end`; units put since then are not in it.
  QueueTable table;
  table.dispatched = end;
  table.index_end = -1;
  {
    std::lock_guard lock(append_mutex_);
    const int64_t index_end = index_.end_log_offset();
    if (index_end < end) table.index_end = index_end;
    table.index_files = static_cast<int64_t>(index_.files().size());
  }
  for (ConsumeQueue* queue : queues_.All()) {
    int64_t max = 0, min = 0;
    QueueRow row{queue->topic(), queue->queue_id(), 0, 0, -1, 0};
    // The newest unit that lies below `end`: nearly always the last one.
    for (max = queue->max_offset(), min = queue->min_offset(); max > min; max--) {
      uint8_t bytes[kUnitBytes];
      int64_t got = 0;
      MILLRACE_RETURN_IF_ERROR(queue->Read(max - 1, 1, bytes, &got));
      if (got != 1) break;
      const QueueUnit unit = DecodeUnit(bytes);
      if (unit.log_offset >= end) continue;
      row.last_log_offset = unit.log_offset;
      row.last_size = unit.size;
      break;
    }
    row.min_offset = min;
    row.max_offset = max;
    table.rows.push_back(std::move(row));
  }
  MILLRACE_RETURN_IF_ERROR(WriteQueueTable(files_, paths_, table));
  // Between the two writes below position and checkpoint disagree, and a crash there is taken for a foreign writer:
  // slower to open, never wrong.
  checkpoint_ = {timestamp, timestamp, index_.full_until_timestamp()};
  MILLRACE_RETURN_IF_ERROR(WriteCheckpoint(files_, paths_, checkpoint_));
  position_.dispatched = end;
  return WritePosition(closing);
}

void Store::RunHousekeeper() {
  platform::NameThread("mr-housekeeper");
  MappingGuard::PrepareThread();
  using Clock = std::chrono::steady_clock;
  auto last_checkpoint = Clock::now();
  int64_t segment = log_.published() / log_.segment_bytes();
  int64_t checked = log_.published();
  std::unique_lock lock(housekeeper_mutex_);
  while (!housekeeper_stop_) {
    // After a nudge a little is waited for, so that a burst of syncs is one write of the position.
    housekeeper_wake_.wait_for(lock, kPositionDelay, [this] { return housekeeper_stop_; });
    if (housekeeper_stop_) break;
    lock.unlock();
    const auto now = Clock::now();
    const int64_t published = log_.published();
    const bool open = state() == StoreState::kOpen;
    const bool due = published / log_.segment_bytes() != segment ||
                     now - last_checkpoint >= std::chrono::milliseconds(options_.checkpoint_interval_ms);
    if (open && due && published != checked) {
      segment = published / log_.segment_bytes();
      last_checkpoint = now;
      if (WriteCheckpoints(false).ok()) checked = published;
    } else if (open && flusher_.flushed() > synced_position_.load(std::memory_order_relaxed)) {
      std::lock_guard position_lock(checkpoint_mutex_);
      (void)WritePosition(false);  // tried again; a device that refuses it refuses the log's next sync too
    }
    lock.lock();
    if (flusher_.flushed() > synced_position_.load(std::memory_order_relaxed) && state() == StoreState::kOpen) continue;
    housekeeper_idle_.store(true, std::memory_order_seq_cst);
    housekeeper_wake_.wait_for(lock, kHousekeeperLook, [this] { return housekeeper_stop_ || housekeeper_nudged_; });
    housekeeper_idle_.store(false, std::memory_order_seq_cst);
    housekeeper_nudged_ = false;
  }
}

void Store::NudgeHousekeeper() {
  if (!housekeeper_idle_.exchange(false, std::memory_order_seq_cst)) return;
  {
    std::lock_guard lock(housekeeper_mutex_);
    housekeeper_nudged_ = true;
  }
  housekeeper_wake_.notify_one();
}

void Store::StopThreads() {
  {
    std::lock_guard lock(housekeeper_mutex_);
    housekeeper_stop_ = true;
  }
  housekeeper_wake_.notify_all();
  if (housekeeper_.joinable()) housekeeper_.join();
  if (flush_listener_ != 0) flusher_.RemoveListener(flush_listener_);
  flush_listener_ = 0;
  flusher_.Stop();
  log_.Stop();
}

Status Store::Close() {
  std::lock_guard close_lock(close_mutex_);
  if (close_done_) return close_status_;
  const bool was_open = state() == StoreState::kOpen;
  {
    std::lock_guard lock(append_mutex_);
    state_ = static_cast<int>(StoreState::kClosing);
  }
  {
    std::lock_guard lock(housekeeper_mutex_);
    housekeeper_stop_ = true;
  }
  housekeeper_wake_.notify_all();
  if (housekeeper_.joinable()) housekeeper_.join();
  if (!read_only_) {
    if (was_open) {
      close_status_ = WriteCheckpoints(true);
      // `abort` goes by Java's rule: everything is dispatched and on disk.
      if (close_status_.ok()) close_status_ = files_->Unlink(paths_.abort);
      if (close_status_.ok()) close_status_ = files_->SyncDirectory(paths_.root);
    } else {
      close_status_ = flusher_.failure();
    }
  }
  StopThreads();
  queues_.descriptors().Clear();
  if (lock_fd_ >= 0) {
    files_->Unlock(lock_fd_);
    files_->Close(lock_fd_);
    lock_fd_ = -1;
  }
  state_ = static_cast<int>(StoreState::kClosed);
  close_done_ = true;
  return close_status_;
}

// ---------------------------------------------------------------------------------------------------------------------------------------

int64_t Store::visible_end() const {
  return options_.visible_when_durable ? std::min(log_.published(), flusher_.flushed()) : log_.published();
}

int64_t Store::VisibleMaxOffset(ConsumeQueue* queue) const {
  int64_t high = queue->max_offset();
  if (!options_.visible_when_durable || read_only_) return high;
  // Units rise with the log: the first that ends behind what is on disk is the queue's visible end.
  const int64_t durable = flusher_.flushed();
  int64_t low = queue->min_offset();
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    uint8_t bytes[kUnitBytes];
    int64_t got = 0;
    if (!queue->Read(middle, 1, bytes, &got).ok() || got != 1) return low;
    const QueueUnit unit = DecodeUnit(bytes);
    if (unit.log_offset + unit.size <= durable) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool Store::Cached(int64_t log_offset, int64_t bytes) const {
  std::shared_ptr<Segment> segment;
  if (!log_.Find(log_offset, &segment).ok() || !segment) return true;
  const int64_t at = log_offset - segment->from();
  return platform::Resident(segment->base() + at, static_cast<size_t>(std::min(bytes, segment->bytes() - at)));
}

namespace {

bool SideQueueOf(const RecordView& view, const ConsumeQueue& queue, int64_t queue_offset, const DispatchRules& rules) {
  const KnownProperties properties = ReadProperties(view.properties);
  for (const auto& side : rules.SideQueues(properties, view.queue_id))
    if (side.topic == queue.topic() && side.queue_offset == queue_offset) return true;
  return false;
}

}  // namespace

Status Store::Pull(const PullRequest& request, PullOutcome* outcome) {
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  ConsumeQueue* const queue = request.queue;
  outcome->next_offset = 0;
  if (queue == nullptr) {
    outcome->status = PullStatus::kNoMessageInQueue;
    return Status::Ok();
  }
  const int64_t min = queue->min_offset(), max = VisibleMaxOffset(queue);
  outcome->min_offset = min;
  outcome->max_offset = max;
  if (max == 0) {
    outcome->status = PullStatus::kNoMessageInQueue;
    return Status::Ok();
  }
  if (request.offset < min) {
    outcome->status = PullStatus::kOffsetTooSmall;
    outcome->next_offset = min;
    return Status::Ok();
  }
  if (request.offset >= max) {
    outcome->status = request.offset == max ? PullStatus::kOffsetOverflowOne : PullStatus::kOffsetOverflowBadly;
    outcome->next_offset = max;
    return Status::Ok();
  }

  constexpr int64_t kCloseBytes = 1 << 20;
  constexpr int64_t kMaxScannedUnits = 800;  // Java's 16,000 bytes of units
  const int64_t scan_limit = std::max(kMaxScannedUnits, request.max_messages);
  const int64_t log_end = visible_end(), log_min = log_.min_offset();
  const int64_t near = MemoryBytes() / 100 * options_.memory_ratio;
  const auto segments = log_.segments();
  const bool look = request.touch_records || request.tags != nullptr;
  uint8_t units[128 * kUnitBytes];
  int64_t offset = request.offset, last_pulled = 0, skip_to = -1, scanned = 0;
  outcome->status = PullStatus::kNoMatchedMessage;
  bool full = false;
  const int64_t file_end = queue->NextFileOffset(request.offset);
  while (!full && scanned < scan_limit && offset < std::min(max, file_end)) {
    int64_t got = 0;
    const int64_t wanted =
        std::min({int64_t{128}, scan_limit - scanned, max - offset, file_end - offset,
                  request.tags != nullptr
                      ? int64_t{128}
                      : std::max<int64_t>(1, request.max_messages + 1 - static_cast<int64_t>(outcome->ranges.size()))});
    MILLRACE_RETURN_IF_ERROR(queue->Read(offset, wanted, units, &got, request.cached_only));
    if (got < 0) {
      outcome->would_block = true;
      return Status::Ok();
    }
    if (got == 0) {
      if (scanned == 0) {
        outcome->status = PullStatus::kOffsetFoundNull;
        outcome->next_offset = queue->NextFileOffset(offset);
        return Status::Ok();
      }
      break;
    }
    // One question to the kernel for all records of these units, when they lie close together; one a record otherwise.
    bool resident = !request.cached_only || !look;
    if (!resident) {
      const int64_t first = DecodeUnit(units).log_offset;
      const QueueUnit last = DecodeUnit(units + (got - 1) * kUnitBytes);
      const int64_t span = last.log_offset + last.size - first;
      const auto segment = CommitLog::FindIn(*segments, first, log_.segment_bytes());
      resident = segment && span > 0 && span <= kCloseBytes && last.log_offset + last.size <= segment->end() &&
                 segment->Open().ok() &&
                 platform::Resident(segment->base() + (first - segment->from()), static_cast<size_t>(span));
    }
    for (int64_t n = 0; n < got; n++, offset++, scanned++) {
      const QueueUnit unit = DecodeUnit(units + n * kUnitBytes);
      last_pulled = unit.log_offset;
      if (skip_to >= 0 && unit.log_offset < skip_to) continue;
      const bool far = log_end - unit.log_offset > near;
      const auto count = static_cast<int64_t>(outcome->ranges.size());
      if (count > 0) {
        const int64_t bytes_limit = far ? options_.max_disk_bytes : options_.max_memory_bytes;
        const int64_t count_limit = far ? options_.max_disk_count : options_.max_memory_count;
        const int64_t asked = request.max_bytes > 0 ? request.max_bytes : INT64_MAX;
        if (count >= std::min(request.max_messages, count_limit) ||
            outcome->bytes + unit.size > std::min(bytes_limit, asked)) {
          full = true;
          break;
        }
      }
      const bool is_address = unit.tag_code < INT32_MIN;
      if (request.tags != nullptr && !is_address) {
        const auto code = static_cast<int32_t>(unit.tag_code);
        if (std::find(request.tag_hashes->begin(), request.tag_hashes->end(), code) == request.tag_hashes->end())
          continue;
      }
      if (unit.log_offset < log_min || unit.log_offset + unit.size > log_end || unit.size <= 0) {
        // Expired, or (a unit that points nowhere) damage: either way the record is not there.
        if (unit.log_offset >= log_min)
          outcome->mismatches.push_back({offset, unit.log_offset, "points behind the end of the log"});
        if (outcome->ranges.empty()) outcome->status = PullStatus::kMessageWasRemoving;
        if (unit.log_offset >= 0 && unit.log_offset < log_min)
          skip_to = (unit.log_offset / log_.segment_bytes() + 1) * log_.segment_bytes();
        continue;
      }
      if (look) {
        const auto segment = CommitLog::FindIn(*segments, unit.log_offset, log_.segment_bytes());
        if (!segment) continue;
        MILLRACE_RETURN_IF_ERROR(segment->Open());
        const int64_t at = unit.log_offset - segment->from();
        if (!resident && !platform::Resident(segment->base() + at, static_cast<size_t>(std::min<int64_t>(
                                                                       unit.size, segment->bytes() - at)))) {
          outcome->would_block = true;
          return Status::Ok();
        }
        const RecordView view = CheckRecord(segment->base() + at, segment->bytes() - at, unit.log_offset, false);
        std::string reason;
        if (segment->damaged()) {
          return Status::Error(Code::kPageUnreadable, "a page of the segment can't be read", segment->path(),
                               unit.log_offset);
        } else if (view.found != Found::kRecord) {
          reason = std::string("points to ") + FoundName(view.found);
        } else if (view.size != unit.size) {
          reason = "says " + std::to_string(unit.size) + " bytes, the record has " + std::to_string(view.size);
        } else if ((view.topic != queue->topic() || view.queue_id != queue->queue_id() ||
                    view.queue_offset != offset) &&
                   !SideQueueOf(view, *queue, offset, rules_)) {
          reason = "points to message " + std::to_string(view.queue_offset) + " of queue " +
                   std::to_string(view.queue_id) + " of topic '" + std::string(view.topic) + "'";
        }
        if (!reason.empty()) {
          outcome->mismatches.push_back({offset, unit.log_offset, std::move(reason)});
          continue;
        }
        if (request.tags != nullptr) {
          const std::string_view tags = ReadProperties(view.properties).tags;
          if (std::find(request.tags->begin(), request.tags->end(), tags) == request.tags->end()) continue;
        }
      }
      outcome->ranges.push_back({unit.log_offset, offset, unit.size});
      outcome->bytes += unit.size;
      outcome->status = PullStatus::kFound;
      skip_to = -1;
    }
  }
  outcome->next_offset = offset;
  outcome->suggest_slave = log_end - last_pulled > near;
  return Status::Ok();
}

Status Store::CopyRanges(const std::vector<PullRange>& ranges, uint8_t* out) const {
  const auto segments = log_.segments();
  for (const auto& range : ranges) {
    const auto segment = CommitLog::FindIn(*segments, range.log_offset, log_.segment_bytes());
    if (!segment)
      return Status::Error(Code::kUnknownError,
                           "the segment of log offset " + std::to_string(range.log_offset) + " is gone");
    if (!segment->CopyOut(range.log_offset - segment->from(), out, static_cast<size_t>(range.size)))
      return Status::Error(Code::kPageUnreadable, "a page of the segment can't be read", segment->path(),
                           range.log_offset);
    out += range.size;
  }
  return Status::Ok();
}

Status Store::RecordAt(int64_t log_offset, bool cached_only, int32_t* size, bool* cached) const {
  *size = 0;
  *cached = true;
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  const int64_t end = visible_end();
  if (log_offset < log_.min_offset() || log_offset + kRecordMinBytes > end) return Status::Ok();
  std::shared_ptr<Segment> segment;
  MILLRACE_RETURN_IF_ERROR(log_.Find(log_offset, &segment));
  if (!segment) return Status::Ok();
  const int64_t at = log_offset - segment->from();
  if (cached_only && !platform::Resident(segment->base() + at, 8)) {
    *cached = false;
    return Status::Ok();
  }
  const int64_t available = std::min(segment->bytes() - at, end - log_offset);
  if (cached_only && available >= 8) {
    const int64_t claimed = std::clamp<int64_t>(GetI32(segment->base() + at), 8, available);
    if (!platform::Resident(segment->base() + at, static_cast<size_t>(claimed))) {
      *cached = false;
      return Status::Ok();
    }
  }
  const RecordView view = CheckRecord(segment->base() + at, available, log_offset, false);
  if (segment->damaged())
    return Status::Error(Code::kPageUnreadable, "a page of the segment can't be read", segment->path(), log_offset);
  if (view.found == Found::kRecord) *size = view.size;
  return Status::Ok();
}

Status Store::LogRange(int64_t log_offset, int64_t limit, int64_t* start, int64_t* bytes, int64_t* next) const {
  MILLRACE_RETURN_IF_ERROR(CheckOpen());
  const int64_t end = visible_end();
  *start = std::max(log_offset, log_.min_offset());
  *bytes = 0;
  *next = *start;
  while (*next < end) {
    std::shared_ptr<Segment> segment;
    MILLRACE_RETURN_IF_ERROR(log_.Find(*next, &segment));
    if (!segment) break;
    const int64_t at = *next - segment->from();
    const RecordView view =
        CheckRecord(segment->base() + at, std::min(segment->bytes() - at, end - *next), *next, false);
    if (segment->damaged())
      return Status::Error(Code::kPageUnreadable, "a page of the segment can't be read", segment->path(), *next);
    if (view.found == Found::kBlank) {
      *next = segment->end();
      if (*bytes > 0) return Status::Ok();
      *start = *next;
      continue;
    }
    if (view.found != Found::kRecord)
      return *bytes > 0 ? Status::Ok()
                        : Status::Error(Code::kCorruptLog, std::string("here lies ") + FoundName(view.found),
                                        segment->path(), *next);
    if (*bytes > 0 && *bytes + view.size > limit) return Status::Ok();
    *bytes += view.size;
    *next += view.size;
  }
  return Status::Ok();
}

}  // namespace millrace
