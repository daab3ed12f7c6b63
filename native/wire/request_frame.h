// Frames of the remoting protocol as Java's clients write nearly all of their requests: a JSON header, in one frame.
// Whatever is unusual about one (another header, an escape or a type that Java does not write, a number that is none)
// makes it no plain request: TypeScript, which reads everything (src/protocol), decides about those.
//
//   byte 0              4      5                8                   8 + header length
//        ├ total length ┼ type ┼ header length  ┼ header            ┼ body             ┤   big-endian
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace millrace::wire {

enum class FrameKind { kPlain, kOther, kCutOff };

struct RequestFrame {
  size_t bytes = 0;  // the length field included
  std::string_view header, body;
};

// What lies at the start of `bytes`: kPlain where it is a whole frame with a JSON header. Views into `bytes`.
FrameKind ReadFrame(std::string_view bytes, RequestFrame* frame);

void PutNumber(std::string* out, int64_t number);
// A frame begins at `from` of `out`, with room for the lengths: they are put there, and so is that `body_bytes` follow.
constexpr size_t kFrameHeadBytes = 8;
void PutFrameHead(std::string* out, size_t from, int64_t body_bytes);

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

inline bool Flag(std::string_view text, bool* flag) {
  *flag = text == "true";
  return *flag || text == "false";
}

// What all requests' headers have.
struct RequestHead {
  int32_t code = 0, opaque = 0;
  bool oneway = false;
};

// Reads a header. `wants(code)` is asked of its code, `field(name, value)` of each of its fields, which are text; where
// one of them says no, or the header is none of Java's, it is no plain request.
template <typename Wants, typename Field>
bool ReadHeader(std::string_view header, RequestHead* head, Wants&& wants, Field&& field) {
  constexpr int32_t kOneway = 2;
  Scanner json(header);
  int32_t flag = 0;
  bool fields = false, opaque = false;
  if (!json.Take('{')) return false;
  do {
    std::string_view name, text;
    int32_t ignored = 0;
    if (!json.Text(&name) || !json.Take(':')) return false;
    if (name == "code") {
      if (!json.Integer(&head->code) || !wants(head->code)) return false;
    } else if (name == "extFields") {
      if (fields || !json.Take('{')) return false;
      do {
        std::string_view value;
        if (!json.Text(&name) || !json.Take(':') || !json.Text(&value) || !field(name, value)) return false;
      } while (json.Take(','));
      if (!json.Take('}')) return false;
      fields = true;
    } else if (name == "flag") {
      if (!json.Integer(&flag)) return false;
    } else if (name == "opaque") {
      if (!json.Integer(&head->opaque)) return false;
      opaque = true;
    } else if (!json.Text(&text) && !json.Integer(&ignored)) {
      return false;
    }
  } while (json.Take(','));
  head->oneway = flag == kOneway;
  return json.Take('}') && json.AtEnd() && head->code != 0 && fields && opaque && (flag == 0 || flag == kOneway);
}

}  // namespace millrace::wire
