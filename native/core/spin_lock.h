// A lock for sections of some dozen instructions, which many threads pass at once: who meets another one there waits
// for less time than a sleeping lock takes to wake him.
#pragma once

#include <atomic>
#include <thread>

namespace millrace {

class SpinLock {
 public:
  void lock() {
    // Who waits longer waits for a thread that has lost its processor.
    for (int turns = 0; flag_.exchange(true, std::memory_order_acquire); turns++)
      if (turns > 64) std::this_thread::yield();
  }
  void unlock() { flag_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> flag_{false};
};

}  // namespace millrace
