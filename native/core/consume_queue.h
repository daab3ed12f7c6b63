// The queues of a store: for each (topic, queue id) a sequence of 20-byte units that point into the log.
//
//  0            8        12           20
//  ├ log offset ┼ size   ┼ tag code   ┤   big-endian; a unit of size 0 was never written
//
// Units are put by one thread at a time (the append lock) and are visible at once. The newest ones lie in the queue's
// tail in memory, the others in its files, which are sparse, of full length, never mapped, and open only while they are
// used.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bytes.h"
#include "descriptor_cache.h"
#include "file_system.h"
#include "queue_extension.h"
#include "spin_lock.h"
#include "store_paths.h"

namespace millrace {

constexpr int kUnitBytes = 20;
// Far beyond any queue's, and its files' names are still numbers.
constexpr int64_t kMaxQueueOffset = INT64_MAX / kUnitBytes / 2;

struct QueueUnit {
  int64_t log_offset;
  int32_t size;
  int64_t tag_code;
};

inline QueueUnit DecodeUnit(const uint8_t* p) { return {GetI64(p), GetI32(p + 8), GetI64(p + 12)}; }
inline void EncodeUnit(const QueueUnit& unit, uint8_t* p) {
  Put64(p, static_cast<uint64_t>(unit.log_offset));
  Put32(p + 8, static_cast<uint32_t>(unit.size));
  Put64(p + 12, static_cast<uint64_t>(unit.tag_code));
}

// What Java puts before the first unit of a queue that does not begin at a file's start.
constexpr QueueUnit kPreBlank{0, 0x7FFFFFFF, 0};
inline bool IsPreBlank(const QueueUnit& unit) { return unit.log_offset == 0 && unit.size == kPreBlank.size; }

class ConsumeQueues;

// One queue. Offsets count units. Owned by ConsumeQueues and never freed before it.
class ConsumeQueue {
 public:
  ConsumeQueue(ConsumeQueues* owner, std::shared_ptr<const std::string> topic, int32_t queue_id);
  ~ConsumeQueue();

  const std::string& topic() const { return *topic_; }
  int32_t queue_id() const { return queue_id_; }
  int64_t min_offset() const { return min_offset_.load(std::memory_order_acquire); }
  int64_t max_offset() const { return max_offset_.load(std::memory_order_acquire); }
  // What the queue held when it was last marked (TakeDirty(), MarkAll()): its end, and where its last unit points.
  struct Mark {
    int64_t max_offset = 0;
    int64_t last_log_offset = -1;  // -1: no unit, or not known
    int32_t last_size = 0;
  };
  const Mark& mark() const { return mark_; }

  // -- one thread at a time
  // ------------------------------------------------------------------------------------------------------------ The
  // offset that the next message of this queue gets.
  int64_t next_offset() const { return next_offset_; }
  void set_next_offset(int64_t offset) { next_offset_ = offset; }
  // Makes sure that `units` more can be put without a failure: the file and its blocks are there.
  Status Prepare(int64_t units) {
    if (max_offset_.load(std::memory_order_relaxed) + units <= reserved_) [[likely]]
      return Status::Ok();
    return ReserveFor(units);
  }
  // Puts the unit of queue offset max_offset(). Never fails after Prepare: a tail that can't be written out just grows.
  void Put(const QueueUnit& unit);
  // For PutOwn().
  Status PrepareOwn(int64_t units) {
    if (extension_) [[unlikely]]
      MILLRACE_RETURN_IF_ERROR(extension_->Prepare(units));
    return Prepare(units);
  }
  // Puts the unit of a message of the queue's own topic, whose tag code goes into the extension where the queue has
  // one.
  void PutOwn(QueueUnit unit, int64_t store_timestamp) {
    if (extension_) [[unlikely]]
      unit.tag_code = extension_->Put(unit.tag_code, store_timestamp);
    Put(unit);
  }
  QueueExtension* extension() const { return extension_.get(); }
  // Writes the tail to its file.
  Status WriteOut();
  // The same, and gives the tail's memory back: an idle queue is a bare struct.
  Status Settle();
  // The same in three steps, of which the second may run while units are put: false where it can't.
  struct TakenTail {
    int64_t first = 0, file = 0;
    std::vector<uint8_t> units;
  };
  bool TakeTail(TakenTail* taken) const;
  Status WriteTail(const TakenTail& taken) const;
  Status LetTailGo(const TakenTail& taken, const Status& written);
  // Units below `min` point to nothing any more. The paths of files that hold no others, the last one excepted, are
  // added to *expired and are the caller's to remove.
  void Expire(int64_t min, std::deque<std::string>* expired);

  // -- any thread
  // ----------------------------------------------------------------------------------------------------------------------
  // Copies up to `count` encoded units from `offset` on, at most to the end of their file (as Java reads). *got = 0
  // when there are none. With `cached_only`, *got = -1 when a page would have to come from disk.
  Status Read(int64_t offset, int64_t count, uint8_t* units, int64_t* got, bool cached_only = false);
  // The unit at `offset`. *there: it has been written; a filler has.
  Status ReadUnit(int64_t offset, QueueUnit* unit, bool* there);
  // The first unit of [low, high) that is not written or is no filler and does not lie below `log_offset`. Units rise,
  // so half the rest is left out each time.
  Status FirstNotBelow(int64_t log_offset, int64_t low, int64_t high, int64_t* unit_offset);
  // First queue offset of the file behind the one that holds `offset`.
  int64_t NextFileOffset(int64_t offset) const;

  // -- recovery
  // ------------------------------------------------------------------------------------------------------------------------
  // Lists the files; checks names and lengths. max_offset() is then what the files could hold at most.
  Status Load();
  // Takes [min, max) as what is in the files; what lies behind in them is zeroed when it is not zero already. `last` is
  // the unit before `max`, where it is known.
  Status SetBounds(int64_t min, int64_t max, const QueueUnit* last = nullptr);
  // The same where nothing lies behind `max`.
  Status TakeBounds(int64_t min, int64_t max, const QueueUnit* last = nullptr);
  int64_t files_begin() const { return first_file_ * units_per_file(); }
  int64_t files_end() const { return (last_file_ + 1) * units_per_file(); }
  bool has_files() const { return last_file_ >= first_file_; }
  // Writes units that its files have once more: after a crash, or a sync that failed before it, the kernel may call
  // pages clean that the disk does not have.
  Status Rewrite(int64_t from, int64_t to);
  // Forgets all units and files.
  Status Reset();
  // Of a closing store: files that never came to hold a unit.
  Status RemoveMadeAhead();
  void set_min_offset(int64_t offset) { min_offset_.store(offset, std::memory_order_release); }
  std::string Directory() const;

 private:
  friend class ConsumeQueues;
  int64_t units_per_file() const;
  std::string FilePath(int64_t file) const;
  std::string BirthPath(int64_t file) const;
  std::string CurrentPath(int64_t file) const;  // where it is now
  Status ReserveFor(int64_t units);
  Status MakeFile(int64_t file);
  Status PutInPlace(int64_t file);
  void NoteFolders();
  void Grow(uint32_t capacity);
  void FreeTail();
  Status WriteUnits(int64_t first, const uint8_t* units, int64_t count);
  Status MakeAhead(int64_t file, int64_t reserve_bytes);
  void GoOnIn(int64_t file);
  Status Descriptor(int64_t file, std::shared_ptr<DescriptorCache::Holder>* out) const;
  Status ZeroBehind(int64_t offset);
  Status Bisect(int64_t log_offset, int64_t low, int64_t high, int64_t* unit_offset);
  Status BackOverFillers(int64_t low, int64_t* offset);

  ConsumeQueues* const owner_;
  const std::shared_ptr<const std::string> topic_;
  const int32_t queue_id_;
  bool dirty_ = false;  // in the owner's list: has units that are not in its mark
  UnsyncedNote unsynced_;
  std::unique_ptr<QueueExtension> extension_;  // null without enableConsumeQueueExt, and in a read-only store
  bool born_ = false;                          // the last file has not been renamed into its folder yet
  mutable SpinLock tail_lock_;                 // tail_ and tail_first_ against readers
  uint32_t tail_count_ = 0, tail_capacity_ = 0;
  uint8_t* tail_ = nullptr;
  int64_t tail_first_ = 0;  // queue offset of the tail's first unit; everything below is in files
  int64_t reserved_ = 0;    // queue offset up to which there are blocks, in the last file or in those made ahead
  int64_t first_file_ = 0, last_file_ = -1;
  int64_t made_to_ = -1;  // files behind the last one, up to this, are made
  int64_t next_offset_ = 0;
  Mark last_, mark_;  // last_ follows every unit
  std::atomic<int64_t> min_offset_{0}, max_offset_{0};
};

class ConsumeQueues {
 public:
  struct Options {
    StorePaths paths;
    int64_t file_bytes = 6000000;  // a multiple of 20
    int64_t extension_bytes = 0;   // of a file; 0: queues have no extension
    bool writable = true;
    int64_t tail_budget_bytes = 32 << 20;
  };
  ConsumeQueues(FileSystem* files, Options options);

  ~ConsumeQueues();
  // Finds every queue below consumequeue/.
  Status Load();
  // Before the first write: opens the descriptor by which a sync of the whole file system learns of failures since now.
  Status Start();
  // The queue, made in memory when it is new (no file until something is put). Null for a name that is not RocketMQ's.
  ConsumeQueue* GetOrMake(std::string_view topic, int32_t queue_id);
  ConsumeQueue* Get(std::string_view topic, int32_t queue_id) const;
  // In any order.
  std::vector<ConsumeQueue*> All() const;
  // By topic and number.
  std::vector<ConsumeQueue*> InOrder() const;
  size_t count() const;
  bool empty() const { return count() == 0; }

  // The queues that got units since the last call, each with its mark set, for the caller to Settle(). Where units are
  // put, one thread at a time.
  std::vector<ConsumeQueue*> TakeDirty();
  // The same, and they stay what they are.
  std::vector<ConsumeQueue*> Dirty() const;
  // Before the first append: every queue's mark is what it holds.
  void MarkAll();
  // Makes everything that was written out durable, by an fdatasync each or one syncfs when there are many.
  Status Sync();
  // What has been written so far, and whatever else is on the file system: a part of what Sync() would have to wait
  // for.
  Status SyncEarly() const;

  const Options& options() const { return options_; }
  FileSystem* files() const { return files_; }
  DescriptorCache& descriptors() { return descriptors_; }
  int64_t tail_bytes() const { return tail_bytes_.load(std::memory_order_relaxed); }

 private:
  friend class ConsumeQueue;
  friend class QueueExtension;
  struct KeyHash {
    size_t operator()(const std::pair<std::string_view, int32_t>& key) const {
      return std::hash<std::string_view>()(key.first) * 31 + static_cast<size_t>(key.second);
    }
  };
  void MarkDirty(ConsumeQueue* queue);
  template <typename PathOf>
  void MarkUnsynced(UnsyncedNote* note, int64_t file, const PathOf& path) {
    std::lock_guard lock(lists_mutex_);
    if (note->epoch == sync_epoch_ && note->file == file) return;
    *note = {sync_epoch_, file};
    NoteUnsynced(path());
  }
  void NoteUnsynced(std::string path);

  FileSystem* const files_;
  const Options options_;
  DescriptorCache descriptors_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string_view, std::shared_ptr<const std::string>> topics_;
  std::unordered_map<std::pair<std::string_view, int32_t>, std::unique_ptr<ConsumeQueue>, KeyHash> queues_;
  mutable std::mutex lists_mutex_;
  std::vector<ConsumeQueue*> dirty_;
  std::vector<std::string> unsynced_paths_;  // files written since the last sync, while there are few
  bool unsynced_many_ = false;
  uint32_t sync_epoch_ = 1;
  std::vector<std::string> new_directories_;  // folders that got something since the last sync
  std::atomic<int64_t> tail_bytes_{0};
  int file_system_fd_ = -1;
};

}  // namespace millrace
