#include "send_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "../core/platform.h"

namespace millrace::wire {

namespace {

constexpr size_t kMostRead = 128 << 10;
// Of all sockets of a thread together: TypeScript bounds what is more.
constexpr size_t kMostKeptOfAll = 16 << 20;

// A socket's memory for what is kept does not stay larger when it is not needed.
constexpr size_t kMostIdle = 4 << 10;

thread_local size_t kept_of_all = 0;

// What is read, and before it what was kept: of one socket at a time.
char* Room(size_t kept) {
  thread_local std::vector<char> room;
  room.resize(std::max(room.size(), kept + kMostRead));
  return room.data();
}

}  // namespace

size_t SendNow(int fd, std::string_view bytes) {
  if (fd < 0 || bytes.empty()) return 0;
  const ssize_t sent = send(fd, bytes.data(), bytes.size(), platform::kSendFlags);
  return sent < 0 ? 0 : static_cast<size_t>(sent);
}

SendSocket::SendSocket(SendFrames* frames, int fd, const Host& born_host, std::string_view begun)
    : frames_(frames), fd_(fd), born_host_(born_host), heard_ms_(platform::CoarseMs()) {
  TakeBack(begun);
}

SendSocket::~SendSocket() {
  kept_of_all -= kept_.size();
  close(fd_);
}

void SendSocket::TakeBack(std::string_view begun) {
  Keep(begun);
  handed_over_ = false;
}

bool SendSocket::MayKeep(std::string_view begun) const {
  return begun.size() <= kMostKept && kept_of_all - kept_.size() + begun.size() <= kMostKeptOfAll;
}

void SendSocket::Keep(std::string_view begun) {
  kept_of_all += begun.size() - kept_.size();
  if (kept_.capacity() > kMostIdle && begun.size() < kept_.capacity() / 4) std::string().swap(kept_);
  kept_.assign(begun);
}

SendSocket::Read SendSocket::Next(bool take, SendFrames::Taken* taken) {
  Read read;
  taken->Clear();
  char* const room = Room(kept_.size());
  memcpy(room, kept_.data(), kept_.size());
  ssize_t got;
  do {
    got = recv(fd_, room + kept_.size(), kMostRead, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return read;
  read.ended = got <= 0;
  read.error = got < 0 ? errno : 0;
  heard_ms_ = platform::CoarseMs();
  std::string_view bytes(room, kept_.size() + (got > 0 ? static_cast<size_t>(got) : 0));
  if (take && !handed_over_ && !read.ended) {
    frames_->Take(bytes, born_host_, taken);
    // What was refused comes before what is left, and nothing that was taken lies between them any more.
    char* from = room + taken->bytes;
    for (auto refused = taken->refused.rbegin(); refused != taken->refused.rend(); ++refused) {
      from -= refused->bytes;
      memmove(from, room + refused->at, refused->bytes);
    }
    read.rest = bytes.substr(static_cast<size_t>(from - room));
    const bool keeps = taken->refused.empty() && taken->cut_off && MayKeep(read.rest);
    Keep(keeps ? read.rest : std::string_view());
    if (keeps) read.rest = {};
    // Who sends several at once has more of them, and will have sent them if it gets the processor now: one answer to
    // all costs both ends less than one to each.
    if (taken->frames > 1) std::this_thread::yield();
    read.unsent = std::string_view(taken->answers).substr(SendNow(fd_, taken->answers));
  } else {
    read.rest = bytes;
    Keep({});
  }
  handed_over_ = handed_over_ || read.handed_over();
  return read;
}

}  // namespace millrace::wire
