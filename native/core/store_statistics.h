// What an open store counts of its work. It counts beside the work: nothing here is shared by two threads that are in a
// hurry at the same moment.
#pragma once

#include <atomic>
#include <cstdint>

#include "histogram.h"
#include "ticks.h"

namespace millrace {

// Under the append lock, but for what was refused.
struct AppendCounters {
  std::atomic<int64_t> messages{0}, bytes{0};
  std::atomic<int64_t> refused{0};  // messages
  Histogram latency;                // ticks a commit, from the call to its return, waiting for the lock included

  void Count(int64_t more_messages, int64_t more_bytes, int64_t ticks) {
    messages.store(messages.load(std::memory_order_relaxed) + more_messages, std::memory_order_relaxed);
    bytes.store(bytes.load(std::memory_order_relaxed) + more_bytes, std::memory_order_relaxed);
    latency.Record(ticks);
  }
};

// Of threads that pull, each mostly in a cache line of its own.
class PullCounters {
 public:
  struct Sums {
    int64_t pulls = 0, messages = 0, bytes = 0, from_disk = 0, mismatches = 0;
  };
  void Count(int64_t messages, int64_t bytes, bool from_disk, int64_t mismatches);
  Sums sums() const;

 private:
  static constexpr int kLines = 8;
  struct alignas(64) Line {
    std::atomic<int64_t> pulls{0}, messages{0}, bytes{0}, from_disk{0}, mismatches{0};
  };
  Line lines_[kLines];
};

}  // namespace millrace
