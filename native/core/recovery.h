// What opening a store finds out: where its log really ends, and what queues and index must hold. See docs/formats.md
// for the rules in prose.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "checkpoint.h"
#include "commit_log.h"
#include "consume_queue.h"
#include "dispatch.h"
#include "forgotten.h"
#include "index_file.h"

namespace millrace {

enum class OnCorruption { kRefuse, kReadOnly, kCut };

struct RecoveryReport {
  bool clean_before = true;
  bool ours = false;  // the last writer was millrace: position and queue table are trusted
  int64_t scanned_from = 0, scanned_bytes = 0, records = 0;
  int64_t end = 0;
  int64_t last_timestamp = 0;                // store time of the last record
  int64_t torn_offset = -1, torn_bytes = 0;  // what was cut off behind the last good record
  std::string torn_segment, torn_reason;
  struct Rebuilt {
    std::string topic;
    int32_t queue_id;
    std::string reason;
  };
  std::vector<Rebuilt> rebuilt_queues;
  bool index_rebuilt = false;  // as a whole; where the store is open for reading, it would have to be
  int64_t index_entries = 0;   // put by recovery
  std::vector<std::string> leftovers;
  bool changed = false;  // something must be made durable before the store serves
  bool corrupt = false;  // opened in spite of it, as on_corruption allowed
  int64_t milliseconds = 0;
};

class Recovery {
 public:
  struct Input {
    FileSystem* files;
    CommitLog* log;
    ConsumeQueues* queues;
    IndexFiles* index;
    const Forgotten* forgotten;
    const DispatchRules* rules;
    bool clean;  // no abort file
    bool has_position;
    Position position;
    Checkpoint checkpoint;
    bool has_table;    // it goes with the position
    QueueTable table;  // one that does not still tells which numbers were given
    bool check_crc;
    OnCorruption on_corruption;
    bool read_only;
    bool rebuild_index;
    bool rebuild_all;  // the whole log is read and checked, so that Forget() may follow
    std::function<void(int64_t done, int64_t total)> on_progress;
    // Called before queues or index that the last checkpoint vouches for are taken down: a crash in the middle must not
    // find it vouching for what is there by then.
    std::function<Status()> before_rebuild;
  };
  Recovery(Input input, RecoveryReport* report) : in_(std::move(input)), report_(*report) {}

  // Reads the log and decides; changes nothing. kCorruptLog where damage is not a torn tail and on_corruption refuses.
  Status Scan();
  // Between the two, where queues and index are set aside. What they know and the log does not: the numbers that queues
  // reached which no table speaks of.
  Status NoteNumbers(QueueTable* table);
  // They are not there any more: Apply() makes them from the whole log.
  Status Forget(QueueTable table);
  // Carries it out: bounds of all queues, missing units and index entries. The log's own end is the caller's to set
  // (CommitLog::Start).
  Status Apply();

 private:
  struct QueueState {
    explicit QueueState(ConsumeQueue* of) : queue(of) {}
    ConsumeQueue* queue;
    int64_t cursor = 0;    // units before it are good
    bool writing = false;  // units from the cursor on are put anew
    bool gap = false;      // units before what was found are missing: the queue is made from the whole log
    int64_t same_from = 0, same_to = 0;  // units that were found as their records have them
    QueueUnit last{};                    // the one before the cursor, where it has been looked at
    int64_t last_offset = -1;
    std::vector<uint8_t> window;
    int64_t window_first = 0, window_count = 0;
  };

  // -- recovery_scan.cc
  int64_t LogMin() const;
  void Tell(int64_t total);
  int64_t BytesBehind(int64_t end);
  Status DecideDamage(int64_t end, Found found, int64_t last_timestamp);
  // With its neighbours, for who looks at one after the other.
  Status ReadUnit(QueueState& state, int64_t offset, QueueUnit* unit, bool* there);
  // In the queue's files.
  Status FirstUnitNotBelow(ConsumeQueue* queue, int64_t log_offset, int64_t* unit);
  Status MarkGap(QueueState& state, std::string reason);

  // -- recovery_apply.cc
  Status WalkLog(int64_t from, int64_t to, const std::function<Status(const RecordView&, int64_t)>& visit);
  Status DispatchRecord(const RecordView& view, int64_t at, bool whole_log, bool only_gaps);
  Status PutUnit(ConsumeQueue* queue, int64_t queue_offset, const QueueUnit& unit, bool delayed, bool own,
                 int64_t store_timestamp, bool whole_log);
  Status StateOf(ConsumeQueue* queue, QueueState** out);
  Status MinOffset(ConsumeQueue* queue, int64_t max, int64_t* min);
  Status GoOnAt(ConsumeQueue* queue, int64_t number);
  bool HasGap(ConsumeQueue* queue) const {
    const auto found = states_.find(queue);
    return found != states_.end() && found->second.gap;
  }

  Input in_;
  RecoveryReport& report_;
  int64_t end_ = 0;
  int64_t dispatch_from_ = 0;                // queue units and index entries below it are taken as they are
  bool whole_log_ = false;                   // dispatch_from_ is the log's first byte
  int64_t done_ = 0, told_ = 0, to_do_ = 0;  // progress, in bytes read
  std::unordered_map<ConsumeQueue*, QueueState> states_;
};

}  // namespace millrace
