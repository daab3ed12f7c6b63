#include "send_request.h"

namespace millrace::wire {

namespace {

constexpr int32_t kSendMessageV2 = 310, kSendBatchMessage = 320;

constexpr unsigned Bit(char letter) { return 1U << (letter - 'a'); }
// Numbers that a send can't be without.
constexpr unsigned kNeeded = Bit('b') | Bit('d') | Bit('e') | Bit('f') | Bit('g') | Bit('h');

// Fields of SEND_MESSAGE_V2: wire-protocol names are single letters.
bool Field(char letter, std::string_view value, SendRequest* request) {
  int32_t number = 0;
  bool unit = false;
  switch (letter) {
    case 'b':
      request->topic = value;
      return value.find('\\') == std::string_view::npos;
    case 'd':
    case 'l':
      return Whole(value, &number);
    case 'e':
      return Whole(value, &request->queue_id);
    case 'f':
      return Whole(value, &request->sys_flag);
    case 'g':
      return Whole(value, &request->born_timestamp);
    case 'h':
      return Whole(value, &request->flag);
    case 'i':
      request->properties = value;
      return true;
    case 'j':
      return Whole(value, &request->reconsume_times);
    case 'k':
      return Flag(value, &unit);
    case 'm':
      return Flag(value, &request->batch);
    default:
      return true;
  }
}

int Hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

FrameKind ReadSendRequest(std::string_view bytes, SendRequest* request) {
  *request = {};
  RequestFrame frame;
  const FrameKind kind = ReadFrame(bytes, &frame);
  if (kind != FrameKind::kPlain) return kind;
  request->frame_bytes = frame.bytes;
  request->body = frame.body;
  RequestHead head;
  unsigned seen = 0;
  const bool plain = ReadHeader(
      frame.header, &head, [](int32_t code) { return code == kSendMessageV2 || code == kSendBatchMessage; },
      [&](std::string_view name, std::string_view value) {
        if (name.size() != 1 || name[0] < 'a' || name[0] > 'z') return true;
        const bool first = (seen & Bit(name[0])) == 0;
        seen |= Bit(name[0]);
        return first && Field(name[0], value, request);
      });
  request->opaque = head.opaque;
  request->oneway = head.oneway;
  return plain && (seen & kNeeded) == kNeeded ? FrameKind::kPlain : FrameKind::kOther;
}

ptrdiff_t Unescape(std::string_view text, char* out) {
  char* to = out;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i++];
    if (c != '\\') {
      *to++ = c;
      continue;
    }
    if (i == text.size()) return -1;
    const char kind = text[i++];
    constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    if (const size_t simple = kFrom.find(kind); simple != std::string_view::npos) {
      *to++ = kTo[simple];
      continue;
    }
    if (kind != 'u' || text.size() - i < 4) return -1;
    int code = 0;
    for (size_t digit = 0; digit < 4; digit++) {
      const int value = Hex(text[i + digit]);
      if (value < 0) return -1;
      code = code * 16 + value;
    }
    // Others than control characters Java writes as they are.
    if (code >= 0x80) return -1;
    *to++ = static_cast<char>(code);
    i += 4;
  }
  return to - out;
}

}  // namespace millrace::wire
