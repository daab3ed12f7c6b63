// What goes out by one descriptor, in order: heads, which are bytes of the caller's, and ranges of the log, which pass
// through no memory of the process's own. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "commit_log.h"
#include "segment.h"
#include "status.h"

namespace millrace {

enum class TransferWay : int { kChosen, kSendfile, kWritev };

// Bytes of one segment.
struct TransferRange {
  Segment* segment;
  int64_t file_offset, bytes;
};

struct TransferItem {
  std::vector<uint8_t> head;
  std::vector<TransferRange> ranges;
  // Where the ranges lie. They are held from when the item is queued until it is out.
  std::vector<std::shared_ptr<Segment>> segments;
  TransferWay way = TransferWay::kChosen;
  std::shared_ptr<const void> keep;  // lives until the item is out
  int64_t bytes() const;
};

class Transfer {
 public:
  // Ranges of so many bytes and more go by sendfile where nothing else is asked for. Below, its work for each page and
  // call takes longer than copying (docs/performance.md).
  static constexpr int64_t kSendfileBytes = 32 << 10;

  // Takes the descriptor, and makes it nonblocking where it is a socket or a pipe.
  explicit Transfer(int fd);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  int fd() const { return fd_; }
  bool empty() const { return items_.empty(); }
  int64_t bytes() const { return bytes_; }  // that are not out
  void Add(TransferItem item);
  // As much as the descriptor takes, at most `limit` bytes and a little more. *items: how many are out that were not
  // before; *sent: bytes; *blocked: it takes no more for now. After an error what was sent of an item nobody knows:
  // nothing may follow.
  Status Send(int64_t limit, int64_t* items, int64_t* sent, bool* blocked);
  // What is not out of the first item.
  void Rest(std::string* head, std::vector<LogRange>* ranges) const;
  // Forgets what is queued. Returns how many items that were.
  int64_t Clear();

 private:
  struct Piece {
    const uint8_t* memory;  // of a head, or of a mapping
    int64_t bytes;
    const TransferRange* range;  // null: a head
    bool by_sendfile;
  };
  // What comes next, of several items where memory follows memory, up to and with the first that goes by sendfile.
  void NextPieces(std::vector<Piece>* pieces) const;
  void PiecesOf(const TransferItem& item, int64_t skip, std::vector<Piece>* pieces) const;
  void Pop();
  Status SendFile(const Piece& piece, int64_t* sent);
  Status SendMemory(const std::vector<Piece>& pieces, bool more, int64_t* sent);
  Status Failed(const char* call, int error_number) const;

  const int fd_;
  const bool is_socket_;
  bool can_sendfile_ = true;
  std::deque<TransferItem> items_;
  int64_t bytes_ = 0;
  int64_t done_ = 0;  // bytes of the first item that are out
  std::vector<Piece> pieces_;
};

}  // namespace millrace
