#include "ticks.h"

#include <chrono>

namespace millrace {

int64_t Ticks::SteadyNanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double Ticks::NanosecondsEach() const {
  constexpr int64_t kLeast = 1'000'000;
  const int64_t ticks = Now() - ticks_, nanoseconds = NanosecondsSince();
  return nanoseconds < kLeast || ticks <= 0 ? 1 : static_cast<double>(nanoseconds) / static_cast<double>(ticks);
}

}  // namespace millrace
