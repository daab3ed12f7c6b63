#include "send_request.h"

#include <charconv>
#include <cstring>

#include "../core/bytes.h"

namespace millrace::wire {

namespace {

constexpr size_t kHeadBytes = 8;
constexpr int32_t kMaxFrameBytes = 16 << 20, kMaxHeaderBytes = 1 << 20;
constexpr int32_t kSendMessageV2 = 310, kSendBatchMessage = 320;
constexpr int32_t kOneway = 2;

// JSON as far as Java's headers go. Anything else ends it.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool Take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    at_++;
    return true;
  }
  // What stands between quotes, escapes as they are.
  bool Text(std::string_view* text) {
    if (!Take('"')) return false;
    const char* const from = at_;
    while (true) {
      const auto* const quote = static_cast<const char*>(memchr(at_, '"', static_cast<size_t>(end_ - at_)));
      if (quote == nullptr) return false;
      at_ = quote + 1;
      const char* backslash = quote;
      while (backslash > from && backslash[-1] == '\\') backslash--;
      if ((quote - backslash) % 2 == 0) {
        *text = {from, static_cast<size_t>(quote - from)};
        return true;
      }
    }
  }
  bool Integer(int32_t* number) {
    const auto read = std::from_chars(at_, end_, *number);
    if (read.ec != std::errc()) return false;
    at_ = read.ptr;
    return true;
  }
  bool AtEnd() const { return at_ == end_; }

 private:
  const char* at_;
  const char* end_;
};

template <typename T>
bool Whole(std::string_view text, T* number) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), *number);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

bool Flag(std::string_view text, bool* flag) {
  *flag = text == "true";
  return *flag || text == "false";
}

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

bool ExtFields(Scanner* json, SendRequest* request) {
  if (!json->Take('{')) return false;
  unsigned seen = 0;
  if (json->Take('}')) return false;
  do {
    std::string_view name, value;
    if (!json->Text(&name) || !json->Take(':') || !json->Text(&value)) return false;
    if (name.size() != 1 || name[0] < 'a' || name[0] > 'z') continue;
    if ((seen & Bit(name[0])) != 0 || !Field(name[0], value, request)) return false;
    seen |= Bit(name[0]);
  } while (json->Take(','));
  return json->Take('}') && (seen & kNeeded) == kNeeded;
}

bool Header(std::string_view header, SendRequest* request) {
  Scanner json(header);
  int32_t code = 0, flag = 0;
  bool fields = false, opaque = false;
  if (!json.Take('{')) return false;
  do {
    std::string_view name, text;
    int32_t ignored = 0;
    if (!json.Text(&name) || !json.Take(':')) return false;
    if (name == "code") {
      if (!json.Integer(&code) || (code != kSendMessageV2 && code != kSendBatchMessage)) return false;
    } else if (name == "extFields") {
      if (fields || !ExtFields(&json, request)) return false;
      fields = true;
    } else if (name == "flag") {
      if (!json.Integer(&flag)) return false;
    } else if (name == "opaque") {
      if (!json.Integer(&request->opaque)) return false;
      opaque = true;
    } else if (!json.Text(&text) && !json.Integer(&ignored)) {
      return false;
    }
  } while (json.Take(','));
  request->oneway = flag == kOneway;
  return json.Take('}') && json.AtEnd() && code != 0 && fields && opaque && (flag == 0 || flag == kOneway);
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
  if (bytes.size() < kHeadBytes) return FrameKind::kCutOff;
  const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
  const int32_t total = GetI32(data), header_bytes = GetI32(data + 4);  // a JSON header's type is 0
  if (total < 4 || total > kMaxFrameBytes - 4 || header_bytes <= 0 || header_bytes > kMaxHeaderBytes ||
      header_bytes > total - 4)
    return FrameKind::kOther;
  request->frame_bytes = static_cast<size_t>(total) + 4;
  if (bytes.size() < request->frame_bytes) return FrameKind::kCutOff;
  const size_t body_at = kHeadBytes + static_cast<size_t>(header_bytes);
  request->body = bytes.substr(body_at, request->frame_bytes - body_at);
  return Header(bytes.substr(kHeadBytes, static_cast<size_t>(header_bytes)), request) ? FrameKind::kPlainSend
                                                                                      : FrameKind::kOther;
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
