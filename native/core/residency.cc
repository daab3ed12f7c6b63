#include "residency.h"

#include <algorithm>

#include "platform.h"

namespace millrace {

namespace {
constexpr int64_t kPieceBytes = 1 << 20;
constexpr uint32_t kHoldsMs = 250;

uint32_t Now() { return static_cast<uint32_t>(platform::CoarseMs()) << 1; }
}  // namespace

Residency::Residency(const uint8_t* base, int64_t bytes)
    : base_(base), pieces_(bytes / kPieceBytes), answers_(std::make_unique<std::atomic<uint32_t>[]>(pieces_)) {}

bool Residency::HasPiece(int64_t piece, uint32_t now) const {
  const uint32_t answer = answers_[piece].load(std::memory_order_relaxed);
  if (answer != 0 && now - (answer & ~1u) < (kHoldsMs << 1)) return (answer & 1) != 0;
  const bool there = platform::Resident(base_ + piece * kPieceBytes, kPieceBytes);
  answers_[piece].store(now | (there ? 1 : 0), std::memory_order_relaxed);
  return there;
}

bool Residency::Has(int64_t at, int64_t bytes, int64_t written) const {
  const uint32_t now = Now();
  for (const int64_t end = at + bytes; at < end;) {
    const int64_t piece = at / kPieceBytes, next = std::min(end, (piece + 1) * kPieceBytes);
    const bool whole = piece < pieces_ && (piece + 1) * kPieceBytes <= written;
    if (!(whole && HasPiece(piece, now)) && !platform::Resident(base_ + at, static_cast<size_t>(next - at)))
      return false;
    at = next;
  }
  return true;
}

}  // namespace millrace
