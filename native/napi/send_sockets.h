// Plain sends as an environment has them: sends.cc takes those that it is given, send_sockets.cc reads sockets for
// them.
#pragma once

#include "../wire/send_frames.h"
#include "../wire/send_socket.h"
#include "js.h"
#include "store_handle.h"

namespace millrace::js {

struct Sends {
  StoreHandle* handle;
  napi_ref wrapper;  // keeps the store's object, and with it `handle`
  wire::SendFrames frames;
  wire::SendFrames::Taken taken;
  int64_t frames_taken = 0;  // from sockets
  napi_ref made = nullptr;   // weak: the object that has the functions, and this
};

// What belongs to a socket: `self` keeps `sends`.
struct SendSocketParts {
  Sends* sends;
  napi_value self, gate, on_read;
};
// From now on the socket's bytes are read here. Undefined where that can't be.
napi_value WatchSocket(napi_env env, const SendSocketParts& parts, int fd, const Host& born, std::string_view begun);

}  // namespace millrace::js
