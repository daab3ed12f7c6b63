// One segment of the commit log: a file of full length, mapped on first use. Readers and writer share the mapping.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "file_system.h"
#include "mapping_guard.h"
#include "residency.h"
#include "status.h"

namespace millrace {

class Segment {
 public:
  Segment(FileSystem* files, std::string path, int64_t from, int64_t bytes, bool writable);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  int64_t from() const { return from_; }
  int64_t bytes() const { return bytes_; }
  int64_t end() const { return from_ + bytes_; }
  const std::string& path() const { return path_; }
  void set_path(std::string path) { path_ = std::move(path); }
  void set_from(int64_t from) { from_ = from; }

  // Opens and maps; any thread, cheap when done. The mapping lives as long as the segment.
  Status Open();
  // Valid after Open().
  uint8_t* base() const { return base_.load(std::memory_order_acquire); }
  int fd() const { return fd_; }
  const Residency& residency() const { return *residency_; }
  bool damaged() const { return guard_.damaged(); }
  // After the mapping was read or written: kPageUnreadable once a page of it could not be, and what was read is then to
  // be thrown away.
  Status Readable(int64_t log_offset) const;

  Status CopyOut(int64_t file_offset, void* to, size_t bytes) const {
    memcpy(to, base() + file_offset, bytes);
    return Readable(from_ + file_offset);
  }

  // Bytes of it to another descriptor (FileSystem::SendFile); the segment is open.
  int SendTo(int to, int64_t file_offset, int64_t bytes, int64_t* sent) const {
    return files_->SendFile(fd_, to, file_offset, bytes, sent);
  }
  // Into the page cache, from the disk if need be.
  Status ReadIn(int64_t file_offset, int64_t bytes) const;

  // While it is held its deletion is postponed. (A mapping lives on without its name; what goes out by the descriptor
  // or is linked elsewhere needs the name.)
  void Hold() { holds_.fetch_add(1); }
  void Release() { holds_.fetch_sub(1); }
  int holds() const { return holds_.load(); }

  // Bytes from the start of the file that have disk blocks. Moved by the keeper, or by the writer in its stead.
  std::atomic<int64_t> reserved{0};
  // The pages that the keeper has populated ahead of the writer; moved by it alone, the start before the end.
  std::atomic<int64_t> populated_from{0}, populated_to{0};
  bool Populated(int64_t from, int64_t to) const {
    return to <= populated_to.load(std::memory_order_acquire) && from >= populated_from.load(std::memory_order_relaxed);
  }
  // For the writer, where pages are not populated: it is about to write to [from, to). Waits while the keeper writes
  // zeros there, and keeps it from it for good. True if they are populated now.
  bool Claim(int64_t from, int64_t to);
  int64_t claimed_to() const;
  // For the keeper: it is about to write zeros to [from, to). False if the writer may be there.
  bool BeginFill(int64_t from, int64_t to);
  void EndFill(bool populated);
  // For the keeper: populated pages are left to the writer as any others.
  void Withdraw();
  std::mutex reserve_mutex;

  // Reserves up to `file_offset` at least, in steps that grow with what the segment already holds.
  Status ReserveUpTo(int64_t file_offset);

 private:
  FileSystem* const files_;
  std::string path_;
  int64_t from_;
  const int64_t bytes_;
  const bool writable_;
  std::mutex open_mutex_;
  int fd_ = -1;
  mutable std::mutex claim_mutex_;
  std::condition_variable filled_;
  int64_t claimed_to_ = 0;
  std::atomic<int> holds_{0};
  int64_t filling_from_ = 0, filling_to_ = 0;  // empty when nothing is being filled
  std::unique_ptr<const Residency> residency_;
  std::atomic<uint8_t*> base_{nullptr};
  MappingGuard guard_;
};

using SegmentList = std::vector<std::shared_ptr<Segment>>;

}  // namespace millrace
