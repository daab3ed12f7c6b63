// The commit log: segments of equal length, records back to back, and the published position that readers go by.
// Appending is for one thread at a time (the store's append lock); everything else is for any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "log_directories.h"
#include "record.h"
#include "segment.h"
#include "segment_keeper.h"
#include "spin_lock.h"

namespace millrace {

// Where a record of an append goes.
struct Placement {
  int32_t size = 0;
  int64_t log_offset = 0;
};

struct LogRange {
  int64_t from, to;  // log offsets
};

struct LogPiece {
  int64_t start = 0;  // log offset of the first byte: behind a blank record, where the asked one lay before it
  int64_t next = 0;   // where the next piece begins
  std::vector<uint8_t> bytes;
};

// The records of an append: each encodes itself where it is to lie.
class RecordSource {
 public:
  virtual void Encode(size_t number, const Placement& placement, uint8_t* out) = 0;

 protected:
  ~RecordSource() = default;
};

class CommitLog {
 public:
  struct Options {
    std::vector<LogDirectory> directories;
    int64_t segment_bytes = 1 << 30;
    bool writable = true;
    // A faster writer's records are copied into populated pages, in bytes a second; any other write is a pwrite.
    double populate_above = SegmentKeeper::kPopulateBytesPerSecond;
    double full_above = 1;  // a directory whose disk is fuller gets no further segment, unless all are
  };

  CommitLog(FileSystem* files, Options options);

  // Lists the segments and checks names and lengths: exactly what Java would refuse to open is refused (kForeignFile,
  // kSegmentSizeMismatch).
  Status Load();
  // Takes `end` as the log's end: drops segments behind it (all of them when `end` is the start of the first), zeroes
  // what lies between it and the end of its segment, and begins to write there. Writable logs only; a read-only log
  // just publishes.
  Status Start(int64_t end);
  void Stop();
  // An empty log begins at `end`, as the log that it becomes a copy of does; nothing is published.
  void BeginAt(int64_t end) { end_ = end; }

  // The oldest segment, which is not the last: its file goes. Who has it in a list reads it on.
  Status DeleteOldest();

  int64_t segment_bytes() const { return options_.segment_bytes; }
  const LogDirectories& directories() const { return directories_; }
  bool writable() const { return options_.writable; }
  std::shared_ptr<const SegmentList> segments() const;
  int64_t min_offset() const;
  // Everything below is whole and visible.
  int64_t published() const { return published_.load(std::memory_order_acquire); }
  void Publish(int64_t end) { published_.store(end, std::memory_order_release); }
  // Looks for segments that another process has added (read-only logs).
  Status Refresh();

  // -- appending, one thread at a time
  // -------------------------------------------------------------------------------------------------
  int64_t end() const { return end_; }
  // Decides where `count` records go, makes segments and reserves disk for all of them; nothing is written, and nothing
  // is taken if it fails. `together`: all in one segment. A record that no segment can hold is the caller's to refuse
  // (MaxRecordBytes).
  Status Place(Placement* placements, size_t count, bool together);
  // Writes the records where they were placed, and blank records where a segment ends. On failure the log is as before:
  // what was written is zeroed again (or, if that fails too, *poisoned is set and nothing must be appended any more).
  Status Write(RecordSource* source, const Placement* placements, size_t count, bool* poisoned);
  // Log bytes as another log has them, at exactly end(): for a replica. They may end inside a record; the caller
  // publishes.
  Status WriteRaw(const uint8_t* bytes, size_t count, bool* poisoned);
  int64_t MaxRecordBytes() const { return options_.segment_bytes - kBlankBytes; }

  // -- reading
  // -------------------------------------------------------------------------------------------------------------------------
  // The segment that holds a log offset, opened; null when there is none.
  Status Find(int64_t log_offset, std::shared_ptr<Segment>* out) const;
  // At most `limit` bytes from an offset on; they end where their segment ends, or at `end`.
  Status Copy(int64_t log_offset, int64_t limit, int64_t end, std::vector<uint8_t>* bytes) const;
  // Whole records of one segment that lie below `end`: up to `limit` bytes, and one whatever its size. None at the end.
  // kCorruptLog where no record begins.
  Status CopyRecords(int64_t log_offset, int64_t limit, int64_t end, LogPiece* piece) const;
  static std::shared_ptr<Segment> FindIn(const SegmentList& segments, int64_t log_offset, int64_t segment_bytes);

  // -- syncing
  // -------------------------------------------------------------------------------------------------------------------------
  // Makes [from, to) durable, the directory entries of new segments first. Any thread, one at a time.
  Status Sync(int64_t from, int64_t to);
  void StartWriteBack(int64_t from, int64_t to);
  // The writer has come past `to` and the pages will be written: out of the page table with them, all at once. Else
  // write-back protects each on its own, with an interrupt to the writer's processor for it.
  void DropFromTable(int64_t from, int64_t to);
  // What of [from, to) is in memory. The rest, when it is read, comes from the disk, and so is on it.
  Status InMemory(int64_t from, int64_t to, std::vector<LogRange>* ranges);
  // Writes what lies in the ranges and below `end` again, because a sync that failed may have left it clean in memory
  // and absent from the disk.
  Status Rewrite(const std::vector<LogRange>& ranges, int64_t end);

  // The last file, if it has no length yet: it holds nothing.
  const std::string& empty_last() const { return empty_last_; }

  const SegmentKeeper& keeper() const { return keeper_; }
  // Records encoded into the mapping, and gathered for a pwrite.
  int64_t copied_appends() const { return copied_.load(std::memory_order_relaxed); }
  int64_t written_appends() const { return written_.load(std::memory_order_relaxed); }

 private:
  bool populates() const { return options_.populate_above < SegmentKeeper::kNeverPopulate; }
  void Adopt(std::shared_ptr<Segment> segment);
  Status EnsureSegment(int64_t from);
  Status WriteBytes(Segment& segment, int64_t file_offset, const uint8_t* bytes, size_t count);
  Status WriteRecords(Segment& segment, RecordSource* source, const Placement* placements, size_t from, size_t to);
  Status ZeroAhead(Segment& segment, int64_t file_offset, int64_t end);
  bool Present(Segment& segment, int64_t from, int64_t to);
  void Undo(int64_t from, int64_t to, bool* poisoned);
  Status ZeroBehind(int64_t end);
  Status SyncNames();
  Status RewritePiece(Segment& segment, int64_t file_offset, int64_t end, std::vector<uint8_t>* copy);
  // The parts of [from, to) that lie in one segment each.
  Status ForEachPiece(int64_t from, int64_t to,
                      const std::function<Status(Segment&, int64_t file_offset, int64_t bytes)>& visit);

  FileSystem* const files_;
  const Options options_;
  const LogDirectories directories_;
  SegmentKeeper keeper_;

  mutable SpinLock segments_lock_;
  std::shared_ptr<const SegmentList> segments_;
  std::mutex names_mutex_;  // while names are synced
  Status names_failure_;    // a sync that failed means nothing when it is tried again
  std::atomic<bool> directory_dirty_{false};
  std::string empty_last_;

  int64_t end_ = 0;
  std::shared_ptr<Segment> tail_;  // the segment that end_ lies in; null before the first
  std::atomic<int64_t> published_{0};
  int64_t zeroed_until_ = 0;  // log offset: blocks up to here hold zeros or records already
  std::chrono::steady_clock::time_point zeroed_at_;
  int64_t present_until_ = 0;                    // log offset: from end_ to here the writer has populated pages itself
  std::vector<uint8_t> gathered_;                // records on their way to a pwrite
  std::atomic<int64_t> copied_{0}, written_{0};  // records
};

}  // namespace millrace
