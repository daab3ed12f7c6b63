// The small files that say how far everything is: Java's `checkpoint`, our `millrace/position` and `millrace/queues`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "file_system.h"
#include "store_paths.h"

namespace millrace {

// checkpoint, 4096 bytes: three store times at 0, 8, 16 (and two 5.x values behind them, which are kept).
struct Checkpoint {
  int64_t physic_ms = 0;  // newest message known flushed in the log
  int64_t logics_ms = 0;  // newest message whose queue unit is known flushed
  int64_t index_ms = 0;   // end time of the newest full index file
  bool operator==(const Checkpoint&) const = default;
  // Java's margin: recovery may start at a segment whose first record is not younger.
  int64_t min_ms() const;
};
// kCorruptCheckpoint where a file lies there that nobody's checkpoint can be.
Status ReadCheckpoint(FileSystem* files, const StorePaths& paths, Checkpoint* checkpoint, bool* exists);
Status WriteCheckpoint(FileSystem* files, const StorePaths& paths, const Checkpoint& checkpoint);

// millrace/position: two slots of 512 bytes at 0 and 4096, written in turn and synced, so that a torn write leaves the
// other one.
//
//  0        8          16       24           32      36    40       48       56       64
//  ├ magic  ┼ sequence ┼ synced ┼ dispatched ┼ clean ┼ 0   ┼ physic ┼ logics ┼ index  ┼ CRC-32 of the 64 bytes ┤
struct Position {
  int64_t sequence = 0;
  int64_t synced = 0;      // the log below it is on disk
  int64_t dispatched = 0;  // queues and index hold everything below it, on disk
  bool clean = false;      // written by close: the log ends at `synced`
  Checkpoint checkpoint;   // the checkpoint file that goes with it: another writer (Java) changes that
};

class PositionFile {
 public:
  PositionFile(FileSystem* files, const StorePaths& paths)
      : files_(files), path_(paths.position), directory_(paths.work) {}
  ~PositionFile();
  // The newest whole slot that goes with the checkpoint file's content; *exists = false when there is none.
  Status Read(const Checkpoint& checkpoint, Position* position, bool* exists);
  // Makes the file where it is missing. One thread at a time.
  Status Write(Position position);

 private:
  FileSystem* const files_;
  const std::string path_, directory_;
  int fd_ = -1;
  int64_t sequence_ = 0;
};

// millrace/queues: what every queue held when the position was written, so that a missing, short or wrong queue is
// noticed without reading the log.
struct QueueRow {
  std::string topic;
  int32_t queue_id;
  int64_t min_offset, max_offset;
  int64_t last_log_offset;  // of the last unit; -1 when the queue is empty
  int32_t last_size;
};
struct QueueTable {
  int64_t dispatched = 0;   // the position it belongs to
  int64_t index_end = -1;   // log offset of the last record that the index knows; -1 for none
  int64_t index_files = 0;  // how many there were
  std::vector<QueueRow> rows;
};
Status ReadQueueTable(FileSystem* files, const StorePaths& paths, QueueTable* table, bool* exists);
Status WriteQueueTable(FileSystem* files, const StorePaths& paths, const QueueTable& table);

// Reads a whole file that may not be there; at most `limit` bytes.
Status ReadWhole(FileSystem* files, const std::string& path, size_t limit, std::vector<uint8_t>* bytes, bool* exists);
// Writes a file in the folder `work`, syncs it, renames it over. What was there before becomes `former`, where that is
// named: at no instant are both missing.
Status ReplaceWhole(FileSystem* files, const std::string& work, const std::string& path,
                    const std::vector<uint8_t>& bytes, const std::string& former = "");

}  // namespace millrace
