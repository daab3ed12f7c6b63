#include "store_statistics.h"

namespace millrace {

void PullCounters::Count(int64_t messages, int64_t bytes, bool from_disk, int64_t mismatches) {
  static std::atomic<unsigned> threads{0};
  thread_local const unsigned mine = threads.fetch_add(1, std::memory_order_relaxed);
  Line& line = lines_[mine % kLines];
  line.pulls.fetch_add(1, std::memory_order_relaxed);
  if (messages > 0) line.messages.fetch_add(messages, std::memory_order_relaxed);
  if (bytes > 0) line.bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (from_disk) line.from_disk.fetch_add(1, std::memory_order_relaxed);
  if (mismatches > 0) line.mismatches.fetch_add(mismatches, std::memory_order_relaxed);
}

PullCounters::Sums PullCounters::sums() const {
  Sums all;
  for (const Line& line : lines_) {
    all.pulls += line.pulls.load(std::memory_order_relaxed);
    all.messages += line.messages.load(std::memory_order_relaxed);
    all.bytes += line.bytes.load(std::memory_order_relaxed);
    all.from_disk += line.from_disk.load(std::memory_order_relaxed);
    all.mismatches += line.mismatches.load(std::memory_order_relaxed);
  }
  return all;
}

}  // namespace millrace
