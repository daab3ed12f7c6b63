// Plain requests as an environment has them: plain_requests.cc takes those that it is given, plain_sockets.cc reads
// sockets for them.
#pragma once

#include "../wire/plain_socket.h"
#include "../wire/pull_frames.h"
#include "../wire/send_frames.h"
#include "js.h"
#include "store_handle.h"

namespace millrace::js {

struct PlainRequests {
  StoreHandle* handle;
  napi_ref wrapper;  // keeps the store's object, and with it `handle`
  wire::SendFrames sends;
  wire::PullFrames pulls;
  wire::SendFrames::Taken taken;  // of what is given
  wire::SendFrames::Taken read;   // of sockets: who is asked meanwhile may give something
  int64_t frames_taken = 0;       // from sockets
  napi_ref made = nullptr;        // weak: the object that has the functions, and this
};

// What belongs to a socket: `self` keeps `requests`.
struct PlainSocketParts {
  PlainRequests* requests;
  napi_value self, gate, admit, on_read;
};
// From now on the socket's bytes are read here. Undefined where that can't be.
napi_value WatchSocket(napi_env env, const PlainSocketParts& parts, int fd, const Host& born, std::string_view begun);

}  // namespace millrace::js
