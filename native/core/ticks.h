// Time in the processor's own counter, for durations of what takes less than asking the kernel's clock twice.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace millrace {

class Ticks {
 public:
  static int64_t Now() {
#if defined(__x86_64__)
    return static_cast<int64_t>(__rdtsc());
#elif defined(__aarch64__)
    int64_t ticks;
    asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return SteadyNanoseconds();
#endif
  }

  // Begins to compare the counter with the clock.
  Ticks() : ticks_(Now()), nanoseconds_(SteadyNanoseconds()) {}
  // As it was since then. Before a millisecond has passed this is 1.
  double NanosecondsEach() const;
  int64_t NanosecondsSince() const { return SteadyNanoseconds() - nanoseconds_; }

 private:
  static int64_t SteadyNanoseconds();
  const int64_t ticks_, nanoseconds_;
};

}  // namespace millrace
