// What of a segment is in memory, for readers who must not wait for the disk. The kernel is asked for whole pieces, and
// its answer holds for a moment: to ask for each pull takes as long as copying half of what it returns.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace millrace {

class Residency {
 public:
  // Of `bytes` mapped at `base`.
  Residency(const uint8_t* base, int64_t bytes);

  // Whether all pages of [at, at + bytes) are in memory, or were a quarter of a second ago. Pages behind `written` may
  // still come: nothing is remembered of a piece that reaches there.
  bool Has(int64_t at, int64_t bytes, int64_t written) const;

 private:
  bool HasPiece(int64_t piece, uint32_t now) const;

  const uint8_t* const base_;
  const int64_t pieces_;
  // For each whole piece when the kernel was asked, in milliseconds, and in the lowest bit what it said; 0: never.
  const std::unique_ptr<std::atomic<uint32_t>[]> answers_;
};

}  // namespace millrace
