// Ways to break the store on purpose: a harness that is to show that nothing is lost must fail when one of them is on.
// They are compiled in with MILLRACE_CANARIES alone, as native tests are; else nothing is left of them.
#pragma once

#ifdef MILLRACE_CANARIES
#include <atomic>
#endif

namespace millrace {

enum class Canary {
  kNone,
  kNoDirectorySync,         // a new segment's name is not made durable
  kAcknowledgeBeforeSync,   // a flush counts before it has happened
  kCheckpointBeforeQueues,  // the checkpoint says that queues are on disk, and nobody has put them there
  kNoSyncAfterRecovery,     // what was recovered is served, and may not be on disk
  kPublishBeforeBody,       // readers are told of a record before it is there
  kNoCrc,                   // a body is taken for what was written
};

#ifdef MILLRACE_CANARIES
inline std::atomic<Canary> canary{Canary::kNone};
inline bool Sings(Canary which) { return canary.load(std::memory_order_relaxed) == which; }
#else
constexpr bool Sings(Canary) { return false; }
#endif

}  // namespace millrace
