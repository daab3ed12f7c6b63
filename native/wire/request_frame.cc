#include "request_frame.h"

#include "../core/bytes.h"

namespace millrace::wire {

namespace {
constexpr int32_t kMaxFrameBytes = 16 << 20, kMaxHeaderBytes = 1 << 20;
}  // namespace

FrameKind ReadFrame(std::string_view bytes, RequestFrame* frame) {
  *frame = {};
  if (bytes.size() < kFrameHeadBytes) return FrameKind::kCutOff;
  const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
  const int32_t total = GetI32(data), header_bytes = GetI32(data + 4);  // a JSON header's type is 0
  if (total < 4 || total > kMaxFrameBytes - 4 || header_bytes <= 0 || header_bytes > kMaxHeaderBytes ||
      header_bytes > total - 4)
    return FrameKind::kOther;
  frame->bytes = static_cast<size_t>(total) + 4;
  if (bytes.size() < frame->bytes) return FrameKind::kCutOff;
  frame->header = bytes.substr(kFrameHeadBytes, static_cast<size_t>(header_bytes));
  const size_t body_at = kFrameHeadBytes + frame->header.size();
  frame->body = bytes.substr(body_at, frame->bytes - body_at);
  return FrameKind::kPlain;
}

void PutNumber(std::string* out, int64_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out->append(digits, static_cast<size_t>(end - digits));
}

void PutFrameHead(std::string* out, size_t from, int64_t body_bytes) {
  const auto header_bytes = static_cast<uint32_t>(out->size() - from - kFrameHeadBytes);
  auto* const head = reinterpret_cast<uint8_t*>(out->data() + from);
  Put32(head, static_cast<uint32_t>(header_bytes + 4 + body_bytes));
  Put32(head + 4, header_bytes);
}

}  // namespace millrace::wire
