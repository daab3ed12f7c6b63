// What an append works with: how it is meant, what became of each message, and a thread's memory for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "commit_log.h"
#include "consume_queue.h"
#include "record.h"
#include "status.h"

namespace millrace {

// Where one message went, or why it was refused.
struct AppendOutcome {
  Code code = Code::kOk;
  int32_t size = 0;
  int64_t log_offset = 0;
  int64_t queue_offset = 0;
  int64_t store_timestamp = 0;
  bool bad_side_queue = false;  // of kMessageIllegal: for a name in INNER_MULTI_DISPATCH, not for its size
};

// A message that enters further queues (multi-dispatch). Its numbers there stand in its record, so the record is known
// only under the append lock.
struct SideDispatch {
  struct Target {
    std::string_view topic;
    int32_t queue_id;
    ConsumeQueue* queue;
    int64_t queue_offset;
  };
  std::vector<Target> targets;  // in the order of their names; a queue that is named twice gets one number and one unit
  int64_t tag_code;             // a side queue's is always the hash
  MessageFields fields;         // as given, with `properties` for its properties
  std::string properties;
};

// A thread's working memory for appends; reused, not shared.
struct AppendBuffer {
  // An accepted message, all of it that can be known without the append lock.
  struct Prepared {
    size_t message;
    const MessageFields* fields;  // as they are encoded
    RecordSizes sizes;
    uint32_t crc;
    int32_t side;  // its place in `sides`; -1 for a message that enters its own queue alone
    int64_t tag_code;
    size_t hashes_end;  // its index hashes end here, and begin where those of the one before it end
    int64_t queue_offset;
    bool delayed;  // its tag code is a time, counted from the store time
  };
  std::vector<Prepared> prepared;
  std::vector<Placement> placements;  // one each
  std::vector<int32_t> hashes;
  std::vector<SideDispatch> sides;

  void Clear();
  // Number `n` of the prepared ones is not appended after all.
  void Drop(size_t n);
};

struct AppendMode {
  bool all_or_nothing = false;  // one illegal message refuses all; the status has its index as `offset`
  bool together = false;        // one topic, one queue, one segment
};

}  // namespace millrace
