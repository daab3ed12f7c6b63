#include "plain_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>
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

PlainSocket::PlainSocket(SendFrames* sends, PullFrames* pulls, PullFrames::Admit admit, int fd, const Host& born_host,
                         std::string_view begun)
    : sends_(sends),
      pulls_(pulls),
      admit_(std::move(admit)),
      out_(fd),
      born_host_(born_host),
      heard_ms_(platform::CoarseMs()) {
  TakeBack(begun);
}

PlainSocket::~PlainSocket() { kept_of_all -= kept_.size(); }

void PlainSocket::TakeBack(std::string_view begun) {
  Keep(begun);
  handed_over_ = false;
}

bool PlainSocket::MayKeep(std::string_view begun) const {
  return begun.size() <= kMostKept && kept_of_all - kept_.size() + begun.size() <= kMostKeptOfAll;
}

void PlainSocket::Keep(std::string_view begun) {
  kept_of_all += begun.size() - kept_.size();
  if (kept_.capacity() > kMostIdle && begun.size() < kept_.capacity() / 4) std::string().swap(kept_);
  kept_.assign(begun);
}

PlainSocket::Read PlainSocket::Next(May may, SendFrames::Taken* taken) {
  Read read;
  taken->Clear();
  char* const room = Room(kept_.size());
  memcpy(room, kept_.data(), kept_.size());
  ssize_t got;
  do {
    got = recv(fd(), room + kept_.size(), kMostRead, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return read;
  read.ended = got <= 0;
  read.error = got < 0 ? errno : 0;
  heard_ms_ = platform::CoarseMs();
  const std::string_view bytes(room, kept_.size() + (got > 0 ? static_cast<size_t>(got) : 0));
  if ((may.send || may.pull) && !handed_over_ && !read.ended) {
    Take(bytes, may, taken, &read);
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
  } else {
    read.rest = bytes;
    Keep({});
  }
  handed_over_ = handed_over_ || read.handed_over();
  return read;
}

// Takes runs of sends and, between them, pulls; each has its answer on the socket before the next is looked at, or is
// the last.
void PlainSocket::Take(std::string_view bytes, May may, SendFrames::Taken* taken, Read* read) {
  PullMessageRequest request;
  size_t sent = 0;  // of taken->answers
  while (true) {
    if (may.send) sends_->Take(bytes, born_host_, taken);
    const FrameKind next = may.pull ? ReadPullRequest(bytes.substr(taken->bytes), &request) : FrameKind::kOther;
    if (next == FrameKind::kCutOff) taken->cut_off = true;
    // Who sends several at once has more of them, and will have sent them if it gets the processor now: one answer to
    // all costs both ends less than one to each.
    if (next != FrameKind::kPlain && taken->frames > 1) std::this_thread::yield();
    sent += SendNow(fd(), std::string_view(taken->answers).substr(sent));
    read->unsent = std::string_view(taken->answers).substr(sent);
    if (next != FrameKind::kPlain || !read->unsent.empty()) return;
    TransferItem item;
    const PullFrames::Outcome outcome = pulls_->Answer(request, admit_, &item);
    if (outcome == PullFrames::Outcome::kLeft) return;
    if (outcome == PullFrames::Outcome::kAnswered) Send(std::move(item), read);
    taken->cut_off = false;
    taken->bytes += request.frame_bytes;
    taken->pulls++;
    if (read->handed_over()) return;
  }
}

bool PlainSocket::Answer(const PullFrames::Waiting& waiting, Read* read) {
  TransferItem item;
  if (handed_over_ || !pulls_->Answer(waiting, &item)) return false;
  Send(std::move(item), read);
  handed_over_ = read->handed_over();
  return true;
}

void PlainSocket::Send(TransferItem item, Read* read) {
  out_.Add(std::move(item));
  int64_t items = 0, bytes = 0;
  bool blocked = false;
  const Status status = out_.Send(INT64_MAX, &items, &bytes, &blocked);
  if (!status.ok()) {
    read->ended = true;
    read->error = status.error_number() != 0 ? status.error_number() : EIO;
  } else if (blocked) {
    out_.Rest(&unsent_head_, &read->unsent_ranges);
    read->unsent = unsent_head_;
  }
  out_.Clear();
}

}  // namespace millrace::wire
