// What a record puts into queues and index: the rules that append and recovery share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "record.h"

namespace millrace {

class ConsumeQueue;
class ConsumeQueues;

// Transaction type: prepared records are indexed but enter no queue, rollback records do neither.
inline bool EntersQueue(int32_t sys_flag) {
  const int32_t type = sys_flag & kSysFlagTransactionMask;
  return type == kTransactionNone || type == kTransactionCommit;
}
inline bool EntersIndex(int32_t sys_flag) { return (sys_flag & kSysFlagTransactionMask) != kTransactionRollback; }

class DispatchRules {
 public:
  // Delays in milliseconds by level, from 1; `multi_dispatch` and `lmq` as enableMultiDispatch and enableLmq.
  DispatchRules(std::vector<int64_t> delay_levels_ms, bool multi_dispatch, bool lmq)
      : delay_levels_ms_(std::move(delay_levels_ms)), multi_dispatch_(multi_dispatch), lmq_(lmq) {}

  // The hash of the tags; in the delay topic the time at which the message is due.
  int64_t TagCode(std::string_view topic, std::string_view tags, std::string_view delay, int64_t store_timestamp) const;
  // True for a record whose tag code is a time, which depends on the store time.
  static bool IsDelayed(std::string_view topic, std::string_view delay);

  // The index hashes of a record, appended: its unique key, then each of its keys.
  static void KeyHashes(std::string_view topic, std::string_view unique_key, std::string_view keys,
                        std::vector<int32_t>* hashes);

  // A further queue of a message (multi-dispatch); `topic` is a view of its properties.
  struct SideQueue {
    std::string_view topic;
    int32_t queue_id;
    int64_t queue_offset;
  };
  // Those of a stored record, from its two properties; none when they do not agree.
  std::vector<SideQueue> SideQueues(const KnownProperties& properties, int32_t queue_id) const;
  // Those that a message asks for, in any form, which have no offsets yet. Blank text asks for none.
  std::vector<SideQueue> NamedQueues(std::string_view names, int32_t queue_id) const;
  // True for the name of an LMQ queue, whose id is 0 with enableLmq.
  static bool IsLight(std::string_view topic);
  // The queue itself. Who opens a store without the settings of its writer makes no side queue, and keeps those that
  // are there; null where there is none, or where the name is no topic's.
  ConsumeQueue* Find(const SideQueue& side, ConsumeQueues* queues) const;
  bool multi_dispatch() const { return multi_dispatch_; }

 private:
  const std::vector<int64_t> delay_levels_ms_;
  const bool multi_dispatch_, lmq_;
};

}  // namespace millrace
