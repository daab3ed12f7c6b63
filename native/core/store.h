// The engine: composes log, queues, index, flushing and recovery into a store that many threads share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "append_buffer.h"
#include "checkpoint.h"
#include "commit_log.h"
#include "consume_queue.h"
#include "dispatch.h"
#include "flusher.h"
#include "forgotten.h"
#include "index_file.h"
#include "position_keeper.h"
#include "recovery.h"
#include "retention.h"
#include "store_lock.h"
#include "store_statistics.h"
#include "thread.h"
#include "transfer.h"
#include "unit_windows.h"

namespace millrace {

struct StoreOptions {
  std::string root;
  std::vector<std::string> log_directories;            // none: <root>/commitlog; in the order in which they take turns
  std::vector<std::string> read_only_log_directories;  // hold segments too, and get no further ones
  int64_t segment_bytes = 0;                           // 0: as the files have it, else 1 GiB
  int64_t queue_file_bytes = 0;                        // 0: as the files have it, else 6,000,000
  bool queue_extension = false;                        // enableConsumeQueueExt
  int64_t extension_file_bytes = 0;                    // 0: as the files have it, else 48 MiB
  int32_t index_slots = 0, index_entries = 0;          // 0: as the files have it, else 5 and 20 million
  bool index_enabled = true;
  bool rebuild_index = false;
  // Not empty: queues and index are moved into this new folder, on the same file system, and made again from the log.
  std::string aside;
  bool read_only = false;
  OnCorruption on_corruption = OnCorruption::kRefuse;
  bool synchronous_flush = false;
  bool visible_when_durable = false;
  bool multi_dispatch = false, lmq = false;
  bool check_crc = true;
  Host store_host;
  std::vector<int64_t> delay_levels_ms;
  Flusher::Options flush;
  int64_t checkpoint_interval_ms = 60000;
  int64_t flush_timeout_ms = 5000;
  int64_t pagecache_busy_ms = 1000;
  int32_t max_message_bytes = 4 << 20;
  // Limits of a pull, by whether the records lie near the end of the log (`memory_ratio` percent of the machine's
  // memory) or far from it.
  int64_t max_memory_bytes = 262144, max_memory_count = 32, max_disk_bytes = 65536, max_disk_count = 8;
  int64_t memory_ratio = 40;
  int64_t tail_budget_bytes = 32 << 20;
  RetentionRules retention;
  RetentionClock retention_clock = RetentionClock::System();
  std::function<void(int64_t done, int64_t total)> on_progress;
};

enum class StoreState : int { kOpening, kOpen, kFailed, kClosing, kClosed };

enum class PullStatus : int {
  kFound,
  kNoMatchedMessage,
  kMessageWasRemoving,
  kOffsetFoundNull,
  kOffsetOverflowBadly,
  kOffsetOverflowOne,
  kOffsetTooSmall,
  kNoMatchedLogicQueue,
  kNoMessageInQueue,
};

struct PullRequest {
  ConsumeQueue* queue = nullptr;  // null: unknown
  int64_t offset = 0;
  int64_t max_messages = 32;
  int64_t max_bytes = 0;  // 0: the store's limits alone
  // Null: all. Compared by hash in the unit, then by the record's own tag.
  const std::vector<std::string>* tags = nullptr;
  const std::vector<int32_t>* tag_hashes = nullptr;
  // CopyPulled() follows, which looks at the records; else only those are looked at whose tags must be compared.
  bool copied = true;
  // Stop with `would_block` when a page would have to come from disk.
  bool cached_only = false;
  // The reader's own, if it pulls again and again.
  UnitWindows* windows = nullptr;
};

struct PullRange {
  int64_t log_offset;
  int64_t queue_offset;
  int32_t size;
};

// A unit that does not point to a record of its queue: never delivered.
struct UnitMismatch {
  int64_t queue_offset, log_offset;
  std::string reason;
};

struct PullOutcome {
  PullStatus status = PullStatus::kNoMatchedLogicQueue;
  int64_t next_offset = 0, min_offset = 0, max_offset = 0;
  bool suggest_slave = false;
  bool would_block = false;
  int64_t bytes = 0;
  std::vector<PullRange> ranges;
  PullRange next{};  // what the limits left for the next pull, as its unit says; size 0: not known
  std::vector<UnitMismatch> mismatches;
  std::shared_ptr<const SegmentList> segments;  // that were seen, for CopyPulled()
};

// The messages of a topic with a key, or a unique id, that were stored in [begin, end].
struct KeyRequest {
  std::string_view topic, key;
  size_t limit = 64;
  int64_t begin = 0, end = INT64_MAX;
};

// Which message of a queue stands for a time: the first that was stored then or later, the last that was stored then or
// earlier (both RocketMQ 5's), or the one whose store time is nearest (4.9's).
enum class TimeRule : int { kLower, kUpper, kNearest };

class Store {
 public:
  // Opens, recovers, makes durable. On failure nothing was changed beyond what the status says (kCorruptLog: not a
  // byte).
  static Status Open(FileSystem* files, StoreOptions options, std::shared_ptr<Store>* out);
  ~Store();

  // Flushes, writes checkpoint and position, removes `abort` where everything is dispatched and durable, gives the lock
  // back. Idempotent; the first call's status is everybody's.
  Status Close();

  static int64_t NowMs();

  StoreState state() const;
  Status CheckOpen() const;
  Status CheckWritable() const {
    if (state_.load(std::memory_order_acquire) == static_cast<int>(StoreState::kOpen) && !read_only_ &&
        !flusher_.failed() && !poisoned_.load(std::memory_order_relaxed) && !disk_full_.load(std::memory_order_relaxed))
        [[likely]]
      return Status::Ok();
    return WhyNotWritable();
  }
  // Open for writing, and no write or sync has failed; whether the disk has room is another question.
  Status CheckSound() const {
    const Status status = CheckWritable();
    return status.code == Code::kDiskFull ? Status::Ok() : status;
  }
  const StoreOptions& options() const { return options_; }
  const RecoveryReport& recovery() const { return report_; }
  bool read_only() const { return read_only_; }

  // -- append
  // --------------------------------------------------------------------------------------------------------------------------
  // The queue of a topic, made when new; kMessageIllegal for a name that is not RocketMQ's.
  Status Queue(std::string_view topic, int32_t queue_id, ConsumeQueue** out);
  // Appends `count` messages in one go. `queues[i]` belongs to messages[i]. When it returns, the accepted ones are in
  // the page cache, visible and dispatched; whether they are on disk is WaitFlushed's business.
  Status Append(AppendBuffer* buffer, const MessageFields* messages, ConsumeQueue* const* queues, size_t count,
                AppendMode mode, AppendOutcome* outcomes);
  // Log bytes of another store at exactly the end of this one (kAppendGap otherwise); records are dispatched as they
  // become whole.
  Status AppendRaw(int64_t log_offset, const uint8_t* bytes, size_t count);
  // Blocks until the log is on disk up to `log_offset`; *done = false after the flush timeout.
  Status WaitFlushed(int64_t log_offset, bool* done);
  // Everything of the store on disk, checkpoint and position included.
  Status FlushAll() { return WriteCheckpoints(false); }

  // A small file of the store's ("config/topics.json"), replaced as a whole: after a crash there is the old one or the
  // new one. `keep`: the old one stays as NAME.bak, and may for an instant be there alone.
  Status ReplaceFile(const std::string& name, const std::vector<uint8_t>& bytes, bool keep);

  // -- retention
  // ---------------------------------------------------------------------------------------------------------------------
  struct Cleaned {
    int64_t segments = 0;
  };
  // Deletes the oldest segments that the rules let go at this moment, and what queues and index have of them. By itself
  // every RetentionRules::interval_ms; `by_hand` at any hour. Also finds out whether the disk has room again.
  Status Clean(bool by_hand, Cleaned* cleaned);
  // The same for the segments that lie whole below a log offset. Never the last segment; none that a reader holds, for
  // a while.
  Status DeleteBelow(int64_t log_offset, Cleaned* cleaned);
  // Nobody sees the messages that the topic's queues hold at this moment any more, here and after any crash; their
  // numbers stay given. They leave the disk with their segments.
  Status DeleteTopic(std::string_view topic);
  struct BackedUp {
    int64_t from = 0,
            to = 0;     // log offsets: what the backup had before, or where the log begins, and where it ends now
    int64_t bytes = 0;  // copied
  };
  // Makes `directory` a copy of this store as it is at this moment, or adds to an earlier one what has come since. It
  // is a store that was closed. kBackupMismatch where another store lies there.
  Status Backup(const std::string& directory, BackedUp* done);
  bool disk_full() const { return disk_full_.load(std::memory_order_relaxed); }

  // -- read
  // ----------------------------------------------------------------------------------------------------------------------------
  // Where the visible log ends: published, or flushed with visible_when_durable.
  int64_t visible_end() const;
  int64_t min_log_offset() const { return log_.min_offset(); }
  ConsumeQueue* FindQueue(std::string_view topic, int32_t queue_id) const { return queues_.Get(topic, queue_id); }
  // With `cached_only`, -1 when a page of the queue would have to come from disk.
  int64_t VisibleMaxOffset(ConsumeQueue* queue, bool cached_only = false) const;
  Status Pull(const PullRequest& request, PullOutcome* outcome) const;
  // Copies the records of a pull that asked for it back to back into outcome->bytes bytes, and looks at the copies:
  // what is no message of the queue, or has another tag, is left out, and the outcome says so.
  Status CopyPulled(const PullRequest& request, PullOutcome* outcome, uint8_t* out) const;
  // Size of the whole record at `log_offset`, 0 when there is none. *cached = false when it would have to come from
  // disk and `cached_only` is set.
  Status RecordAt(int64_t log_offset, bool cached_only, int32_t* size, bool* cached) const;
  bool Cached(int64_t log_offset, int64_t bytes) const;
  // Where bytes of the visible log lie, for a Transfer; ranges that follow each other become one. kRangeGone for what
  // the log does not have (any more). *cached: none of it would have to come from disk.
  Status LocateRanges(const std::vector<LogRange>& ranges, TransferItem* item, bool* cached) const;
  // Log offsets, newest first. Records are looked at: a hash may be another key's.
  Status FindKey(const KeyRequest& request, std::vector<int64_t>* log_offsets) const;
  // The queue offset for a store time: with kLower the queue's end when all messages are older, with kUpper its first
  // offset when all are newer. Messages that are gone count as older.
  Status OffsetByTime(ConsumeQueue* queue, int64_t time, TimeRule rule, int64_t* offset) const;
  // Store times of the first and the last message of a queue, or (null) of the log; -1 when there is none.
  Status TimeSpan(ConsumeQueue* queue, int64_t* earliest, int64_t* latest) const;
  // Read-only stores: takes in what another process has appended, a piece of it when it is much.
  Status Refresh();

  CommitLog& log() { return log_; }
  ConsumeQueues& queues() { return queues_; }
  IndexFiles& index() { return index_; }
  Flusher& flusher() { return flusher_; }
  const AppendCounters& append_counters() const { return append_counters_; }
  const PullCounters& pull_counters() const { return pull_counters_; }
  // Runs since the store was opened.
  const Ticks& ticks() const { return ticks_; }
  // `files` lives as long as the store.
  void KeepAlive(std::shared_ptr<FileSystem> files) { kept_ = std::move(files); }
  const DispatchRules& rules() const { return rules_; }

  int64_t confirm_offset() const { return confirm_offset_.load(); }
  void set_confirm_offset(int64_t offset) { confirm_offset_.store(offset); }

 private:
  Status WhyNotWritable() const;
  std::shared_ptr<FileSystem> kept_;  // first: destroyed after everything that uses it
  Store(FileSystem* files, StoreOptions options, StorePaths paths);
  Status Recover(bool log_exists);
  Status RemoveLeftovers();
  // -- store_rebuild.cc
  Status CheckAside() const;
  Status SetAside(Recovery* recovery, QueueTable table, Checkpoint checkpoint, bool has_position);
  // --
  Status WriteCheckpoints(bool closing);
  std::vector<ConsumeQueue*> DirtyQueues();
  Status SettleQueues(std::span<ConsumeQueue* const> queues);
  void RunHousekeeper();
  void StopHousekeeper();
  void StopThreads();
  Status ViewAt(int64_t log_offset, RecordView* view, std::shared_ptr<Segment>* segment) const;
  Status UnitTime(ConsumeQueue* queue, int64_t queue_offset, int64_t* time) const;
  Status FirstSince(ConsumeQueue* queue, int64_t low, int64_t high, int64_t time, int64_t* offset) const;
  Status NearestTo(ConsumeQueue* queue, int64_t min, int64_t max, int64_t time, int64_t* offset) const;
  class PreparedRecords;
  Status AppendPrepared(AppendBuffer* buffer, ConsumeQueue* const* queues, AppendMode mode, AppendOutcome* outcomes,
                        int64_t called);
  void CountPull(const PullRequest& request, const PullOutcome& outcome) const;
  Status Prepare(AppendBuffer* buffer, const MessageFields* messages, size_t count, AppendMode mode,
                 AppendOutcome* outcomes);
  Code CheckSizes(const MessageFields& message, const RecordSizes& sizes) const;
  Status Refused(size_t message, const MessageFields& fields, const AppendOutcome& outcome, int properties) const;
  Status GiveNumbers(AppendBuffer* buffer, ConsumeQueue* const* queues, AppendMode mode, int64_t now,
                     AppendOutcome* outcomes) const;
  Status CheckTogether(const AppendBuffer& buffer) const;
  bool PrepareSides(const MessageFields& message, const KnownProperties& known, SideDispatch* side) const;
  void MakeSideQueues(AppendBuffer* buffer);
  Code NumberSides(AppendBuffer* buffer, size_t n) const;
  static Status ReserveSides(const AppendBuffer& buffer);
  static void TakeSideNumbersBack(const AppendBuffer& buffer);
  static void PutSides(const SideDispatch& side, int64_t log_offset, int32_t size);
  Status DispatchRange(int64_t from, int64_t to, int64_t* dispatched);
  Status FinishRaw();
  Status LookAtDisk(RetentionMoment* moment);
  Status DeleteOldest(const std::function<Status(bool* goes)>& decide, Cleaned* cleaned);
  bool IsHeld();
  Status FollowLog();
  Status RaiseBounds();
  Status FollowDeletion();
  Status RaiseMin(ConsumeQueue* queue, int64_t log_min);
  Status Forget(std::string_view topic, int64_t to);
  Status CopyLogTo(Store* copy, BackedUp* done);
  Status CheckBelongs(StoreOptions options) const;

  FileSystem* const files_;
  StoreOptions options_;
  const StorePaths paths_;
  bool read_only_;
  DispatchRules rules_;
  CommitLog log_;
  ConsumeQueues queues_;
  IndexFiles index_;
  Flusher flusher_;
  PositionKeeper position_;
  Forgotten forgotten_;
  RecoveryReport report_;
  std::unique_ptr<StoreLock> lock_;  // none in a read-only store

  std::atomic<int> state_{static_cast<int>(StoreState::kOpening)};
  std::atomic<bool> poisoned_{false};
  std::atomic<bool> disk_full_{false};
  std::mutex append_mutex_;
  std::atomic<int64_t> append_since_ms_{0};  // when an append took the lock; 0 while none has it
  int64_t raw_dispatched_ = 0;               // under append_mutex_
  std::atomic<int64_t> last_timestamp_{0};
  const Ticks ticks_;
  AppendCounters append_counters_;
  mutable PullCounters pull_counters_;
  std::atomic<int64_t> confirm_offset_{-1};

  std::mutex checkpoint_mutex_;              // one checkpoint at a time
  std::atomic<int64_t> checkpointed_to_{0};  // queues and index have on disk what the log has below

  std::mutex retention_mutex_;             // one deletion at a time
  int64_t followed_to_ = 0;                // log offset that queues and index have been brought up to
  int64_t held_since_ms_ = 0;              // when a reader was first found to hold the oldest segment; 0: not now
  std::deque<std::string> expired_files_;  // of queues and index, to be removed

  std::mutex close_mutex_;
  bool close_done_ = false;
  Status close_status_;

  std::mutex housekeeper_mutex_;
  std::condition_variable housekeeper_wake_;
  bool housekeeper_stop_ = false;
  std::atomic<bool> tails_due_{false};  // the queues' tails have become large: its next work
  Thread housekeeper_;
};

}  // namespace millrace
