// Units of the queues that one reader follows, read ahead: a pull that touches no record is a system call for its units
// and little else. A unit never changes once it can be read, so what was read ahead stays true. For one thread at a
// time.
#pragma once

#include <array>
#include <cstdint>

#include "consume_queue.h"

namespace millrace {

class UnitWindows {
 public:
  // As ConsumeQueue::Read, of at most kUnits. Reads ahead for who goes on where, or before, the last read ended.
  Status Read(ConsumeQueue* queue, int64_t offset, int64_t count, uint8_t* units, int64_t* got, bool cached_only);

 private:
  static constexpr int64_t kUnits = 256;
  struct Window {
    const ConsumeQueue* queue = nullptr;
    int64_t from = 0, to = 0;
    uint8_t units[kUnits * kUnitBytes];
  };
  // Found by the queue's address; a prime number of them, for addresses have a pattern.
  std::array<Window, 7> windows_;
};

}  // namespace millrace
