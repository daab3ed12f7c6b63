// A socket that the core reads itself: plain sends are taken and answered where they come in, and everything else is
// handed over to TypeScript, with all that follows, until it says that it has nothing of this socket in its hands.
// One environment's; not shared between threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "send_frames.h"

namespace millrace::wire {

// As much of the bytes as the socket takes at once. What is left, errors included, is left to whoever owns the socket.
size_t SendNow(int fd, std::string_view bytes);

class SendSocket {
 public:
  // Owns `fd`, a duplicate of a socket's descriptor. `begun` has been read from it already, and is kept until more
  // comes: the beginning of a frame.
  SendSocket(SendFrames* frames, int fd, const Host& born_host, std::string_view begun);
  ~SendSocket();
  SendSocket(const SendSocket&) = delete;
  SendSocket& operator=(const SendSocket&) = delete;

  struct Read {
    std::string_view rest;    // read and not taken, after frames that the store refused; valid until the next read
    std::string_view unsent;  // answers that the socket did not take; valid until the next take
    bool ended = false;       // nothing more comes
    int error = 0;            // then, an errno or 0
    bool handed_over() const { return !rest.empty() || !unsent.empty() || ended; }
  };
  // Reads once what is there. With `take`, and where nothing has been handed over, plain sends are taken.
  Read Next(bool take, SendFrames::Taken* taken);

  // From now on nothing is taken; from now on it may be, `begun` coming first.
  void HandOver() { handed_over_ = true; }
  void TakeBack(std::string_view begun);

  // Of platform::CoarseMs, when anything has come the last time.
  int64_t heard_ms() const { return heard_ms_; }
  int fd() const { return fd_; }

  // The beginning of a frame that is larger is not kept here.
  static constexpr size_t kMostKept = 64 << 10;

 private:
  bool MayKeep(std::string_view begun) const;
  void Keep(std::string_view begun);

  SendFrames* const frames_;
  const int fd_;
  const Host born_host_;
  std::string kept_;  // the beginning of a frame
  bool handed_over_ = false;
  int64_t heard_ms_;
};

}  // namespace millrace::wire
