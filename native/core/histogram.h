// How often something took how long: eight buckets for each doubling, so that what is read is wrong by an eighth at
// most. One thread records at a time, any may read.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

namespace millrace {

class Histogram {
 public:
  static constexpr int kBuckets = 8 * 46;

  void Record(int64_t value) {
    if (value < 0) value = 0;
    Add(&counts_[BucketOf(value)], 1);
    Add(&sum_, value);
    if (value > max_.load(std::memory_order_relaxed)) max_.store(value, std::memory_order_relaxed);
  }

  int64_t count(int bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }
  int64_t sum() const { return sum_.load(std::memory_order_relaxed); }
  int64_t max() const { return max_.load(std::memory_order_relaxed); }

  static int BucketOf(int64_t value) {
    if (value < 8) return static_cast<int>(value);
    const int doubling = std::bit_width(static_cast<uint64_t>(value)) - 4;  // from 0: 8 to 15
    const int bucket = 8 * (doubling + 1) + static_cast<int>(value >> doubling) - 8;
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }
  // The least value that is too large for a bucket.
  static int64_t EndOf(int bucket) {
    if (bucket < 8) return bucket + 1;
    return int64_t{bucket % 8 + 9} << (bucket / 8 - 1);
  }

 private:
  static void Add(std::atomic<int64_t>* number, int64_t more) {
    number->store(number->load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }

  std::atomic<int64_t> counts_[kBuckets]{};
  std::atomic<int64_t> sum_{0}, max_{0};
};

}  // namespace millrace
