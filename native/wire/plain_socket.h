// A socket that the core reads itself: plain sends and pulls are taken and answered where they come in, and everything
// else is handed over to TypeScript, with all that follows, until it says that it has nothing of this socket in its
// hands. One environment's; not shared between threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../core/transfer.h"
#include "pull_frames.h"
#include "send_frames.h"

namespace millrace::wire {

// As much of the bytes as the socket takes at once. What is left, errors included, is left to whoever owns the socket.
size_t SendNow(int fd, std::string_view bytes);

class PlainSocket {
 public:
  // Takes `fd`, a duplicate of a socket's descriptor. `begun` has been read from it already, and is kept until more
  // comes: the beginning of a frame.
  PlainSocket(SendFrames* sends, PullFrames* pulls, PullFrames::Admit admit, int fd, const Host& born_host,
              std::string_view begun);
  ~PlainSocket();
  PlainSocket(const PlainSocket&) = delete;
  PlainSocket& operator=(const PlainSocket&) = delete;

  struct May {
    bool send, pull;
  };
  struct Read {
    std::string_view rest;    // read and not taken, after frames that the store refused; valid until the next read
    std::string_view unsent;  // answers that the socket did not take; valid until the next take or answer
    std::vector<LogRange> unsent_ranges;  // of the last of them, behind its head
    bool ended = false;                   // nothing more comes
    int error = 0;                        // then, an errno or 0
    bool handed_over() const { return !rest.empty() || !unsent.empty() || !unsent_ranges.empty() || ended; }
  };
  // Reads once what is there. Where nothing has been handed over, plain requests are taken.
  Read Next(May may, SendFrames::Taken* taken);

  // A pull that has waited. False where that can't be done here: something has been handed over, or nothing is there.
  bool Answer(const PullFrames::Waiting& waiting, Read* read);

  // From now on nothing is taken; from now on it may be, `begun` coming first.
  void HandOver() { handed_over_ = true; }
  void TakeBack(std::string_view begun);

  // Of platform::CoarseMs, when anything has come the last time.
  int64_t heard_ms() const { return heard_ms_; }
  int fd() const { return out_.fd(); }

  // The beginning of a frame that is larger is not kept here.
  static constexpr size_t kMostKept = 64 << 10;

 private:
  void Take(std::string_view bytes, May may, SendFrames::Taken* taken, Read* read);
  void Send(TransferItem item, Read* read);
  bool MayKeep(std::string_view begun) const;
  void Keep(std::string_view begun);

  SendFrames* const sends_;
  PullFrames* const pulls_;
  const PullFrames::Admit admit_;
  Transfer out_;
  const Host born_host_;
  std::string kept_;         // the beginning of a frame
  std::string unsent_head_;  // of the last answer to a pull
  bool handed_over_ = false;
  int64_t heard_ms_;
};

}  // namespace millrace::wire
