#include "transfer.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "platform.h"

namespace millrace {

namespace {
constexpr size_t kMostPieces = 256;  // of one call
}  // namespace

int64_t TransferItem::bytes() const {
  auto sum = static_cast<int64_t>(head.size());
  for (const TransferRange& range : ranges) sum += range.bytes;
  return sum;
}

Transfer::Transfer(int fd) : fd_(fd), is_socket_(platform::PrepareOutlet(fd) == platform::Outlet::kSocket) {}

Transfer::~Transfer() {
  Clear();
  close(fd_);
}

void Transfer::Add(TransferItem item) {
  for (const auto& segment : item.segments) segment->Hold();
  bytes_ += item.bytes();
  items_.push_back(std::move(item));
}

int64_t Transfer::Clear() {
  const auto count = static_cast<int64_t>(items_.size());
  while (!items_.empty()) Pop();
  done_ = bytes_ = 0;
  return count;
}

void Transfer::Rest(std::string* head, std::vector<LogRange>* ranges) const {
  const TransferItem& item = items_.front();
  const auto head_done = std::min(done_, static_cast<int64_t>(item.head.size()));
  head->assign(item.head.begin() + head_done, item.head.end());
  int64_t skip = done_ - head_done;
  ranges->clear();
  for (const TransferRange& range : item.ranges) {
    const int64_t begin = range.segment->from() + range.file_offset, done = std::min(skip, range.bytes);
    if (done < range.bytes) ranges->push_back({begin + done, begin + range.bytes});
    skip -= done;
  }
}

void Transfer::Pop() {
  for (const auto& segment : items_.front().segments) segment->Release();
  items_.pop_front();
}

void Transfer::NextPieces(std::vector<Piece>* pieces) const {
  pieces->clear();
  int64_t skip = done_;
  for (const TransferItem& item : items_) {
    PiecesOf(item, skip, pieces);
    if (pieces->size() == kMostPieces || (!pieces->empty() && pieces->back().by_sendfile)) return;
    skip = 0;
  }
}

void Transfer::PiecesOf(const TransferItem& item, int64_t skip, std::vector<Piece>* pieces) const {
  const auto head_bytes = static_cast<int64_t>(item.head.size());
  if (skip < head_bytes) pieces->push_back({item.head.data() + skip, head_bytes - skip, nullptr, false});
  skip = std::max<int64_t>(0, skip - head_bytes);
  for (const TransferRange& range : item.ranges) {
    if (pieces->size() == kMostPieces || (!pieces->empty() && pieces->back().by_sendfile)) return;
    if (skip >= range.bytes) {
      skip -= range.bytes;
      continue;
    }
    const bool by_sendfile =
        item.way == TransferWay::kSendfile || (item.way == TransferWay::kChosen && range.bytes >= kSendfileBytes);
    pieces->push_back(
        {range.segment->base() + range.file_offset + skip, range.bytes - skip, &range, by_sendfile && can_sendfile_});
    skip = 0;
  }
}

Status Transfer::Failed(const char* call, int error_number) const {
  Status status = Status::System(call, {}, error_number);
  status.code = Code::kTransferFailed;
  return status;
}

Status Transfer::SendFile(const Piece& piece, int64_t* sent) {
  const TransferRange& range = *piece.range;
  const int64_t at = range.file_offset + range.bytes - piece.bytes;
  int64_t got = 0;
  const int error = range.segment->SendTo(fd_, at, piece.bytes, &got);
  *sent = got;
  if (error == EINVAL || error == ENOSYS || error == ENOTSOCK || error == EOPNOTSUPP) {
    can_sendfile_ = false;  // by this descriptor; the other way does the same
    return Status::Ok();
  }
  if (error == EIO || (error == 0 && got == 0)) {
    Status status = Status::Error(Code::kPageUnreadable, "a page that is being sent can't be read",
                                  range.segment->path(), range.segment->from() + at);
    return status;
  }
  return error == 0 || error == EAGAIN ? Status::Ok() : Failed("sendfile", error);
}

Status Transfer::SendMemory(const std::vector<Piece>& pieces, bool more, int64_t* sent) {
  iovec vectors[kMostPieces];
  size_t count = 0;
  for (const Piece& piece : pieces) {
    if (piece.by_sendfile || count == kMostPieces) break;
    vectors[count++] = {const_cast<uint8_t*>(piece.memory), static_cast<size_t>(piece.bytes)};
  }
  ssize_t got = 0;
  do {
    if (is_socket_) {
      msghdr message{};
      message.msg_iov = vectors;
      message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count);
      got = sendmsg(fd_, &message, platform::kSendFlags | (more ? platform::kMoreFollows : 0));
    } else {
      got = writev(fd_, vectors, static_cast<int>(count));
    }
  } while (got < 0 && errno == EINTR);
  if (got >= 0) {
    *sent = got;
    return Status::Ok();
  }
  *sent = 0;
  if (errno == EAGAIN || errno == EWOULDBLOCK) return Status::Ok();
  // The kernel could not read a page of the mapping: it was cut off, or the disk does not deliver it.
  if (errno == EFAULT)
    for (const Piece& piece : pieces)
      if (piece.range != nullptr)
        return Status::Error(Code::kPageUnreadable, "a page that is being sent can't be read",
                             piece.range->segment->path(), piece.range->segment->from() + piece.range->file_offset);
  return Failed("writev", errno);
}

Status Transfer::Send(int64_t limit, int64_t* items, int64_t* sent, bool* blocked) {
  *items = *sent = 0;
  *blocked = false;
  while (!items_.empty() && *sent < limit) {
    NextPieces(&pieces_);
    int64_t got = 0;
    if (!pieces_.empty()) {
      const bool by_sendfile = pieces_.front().by_sendfile, could = can_sendfile_;
      // A head that a sendfile follows waits for it: they leave in one packet.
      const bool more = pieces_.size() > 1 && pieces_.back().by_sendfile;
      MILLRACE_RETURN_IF_ERROR(by_sendfile ? SendFile(pieces_.front(), &got) : SendMemory(pieces_, more, &got));
      if (could != can_sendfile_) continue;
      if (got == 0) {
        *blocked = true;
        return Status::Ok();
      }
    }
    *sent += got;
    done_ += got;
    bytes_ -= got;
    for (int64_t bytes = 0; !items_.empty() && done_ >= (bytes = items_.front().bytes()); ++*items) {
      done_ -= bytes;
      Pop();
    }
  }
  return Status::Ok();
}

}  // namespace millrace
