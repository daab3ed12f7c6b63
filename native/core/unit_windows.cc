#include "unit_windows.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace millrace {

Status UnitWindows::Read(ConsumeQueue* queue, int64_t offset, int64_t count, uint8_t* units, int64_t* got,
                         bool cached_only) {
  Window& window = windows_[reinterpret_cast<uintptr_t>(queue) / alignof(std::max_align_t) % windows_.size()];
  const bool follows = window.queue == queue && offset >= window.from && offset <= window.to;
  if (!follows || offset + count > window.to) {
    window.queue = nullptr;
    MILLRACE_RETURN_IF_ERROR(queue->Read(offset, follows ? kUnits : count, window.units, got, cached_only));
    // A page further on is not in memory: the pull itself may do without it.
    if (follows && *got < 0) MILLRACE_RETURN_IF_ERROR(queue->Read(offset, count, window.units, got, cached_only));
    if (*got <= 0) return Status::Ok();
    window.queue = queue;
    window.from = offset;
    window.to = offset + *got;
  }
  *got = std::min(count, window.to - offset);
  memcpy(units, window.units + (offset - window.from) * kUnitBytes, static_cast<size_t>(*got) * kUnitBytes);
  return Status::Ok();
}

}  // namespace millrace
