// A store's four queues, filled with messages that say their numbers.
#pragma once

#include <string>
#include <vector>

#include "check.h"
#include "scratch.h"

namespace millrace::test {

inline std::string Body(int i) {
  return "message " + std::to_string(i) + std::string(static_cast<size_t>(i % 50), 'x');
}

// Appends `count` messages to four queues, numbered from `from`.
inline void Fill(Store& store, int from, int count) {
  for (int i = from; i < from + count; i++)
    CHECK(AppendOne(store, "orders", i % 4, Body(i), nullptr, "t", "k" + std::to_string(i)).ok());
}

inline void CheckFilled(Store& store, int count) {
  for (int queue = 0; queue < 4; queue++) {
    const std::vector<std::string> bodies = Bodies(store, "orders", queue);
    CHECK_EQ(static_cast<int>(bodies.size()), (count - queue + 3) / 4);
    for (size_t n = 0; n < bodies.size(); n++) CHECK_EQ(bodies[n], Body(static_cast<int>(n) * 4 + queue));
  }
}

}  // namespace millrace::test
