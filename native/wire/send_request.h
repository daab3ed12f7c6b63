// A plain send, as nearly all requests of producers are: SEND_MESSAGE_V2 or SEND_BATCH_MESSAGE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "request_frame.h"

namespace millrace::wire {

struct SendRequest {
  size_t frame_bytes = 0;  // the length field included
  int32_t opaque = 0;
  bool oneway = false;
  bool batch = false;
  std::string_view topic;
  std::string_view properties;  // as in the header: with JSON's escapes
  std::string_view body;
  int32_t queue_id = 0;
  int32_t sys_flag = 0;
  int32_t flag = 0;
  int32_t reconsume_times = 0;
  int64_t born_timestamp = 0;
};

// What lies at the start of `bytes`; only of a plain send everything is known. Views into `bytes`.
FrameKind ReadSendRequest(std::string_view bytes, SendRequest* request);

// A text of JSON without its escapes, of which each becomes fewer bytes. Returns how many were written, -1 where it is
// malformed.
ptrdiff_t Unescape(std::string_view text, char* out);

}  // namespace millrace::wire
