#include "segment.h"

#include <algorithm>

namespace millrace {

namespace {
constexpr int64_t kMinReserveBytes = 1 << 20, kMaxReserveBytes = 64 << 20;
}

Segment::Segment(FileSystem* files, std::string path, int64_t from, int64_t bytes, bool writable)
    : files_(files), path_(std::move(path)), from_(from), bytes_(bytes), writable_(writable) {}

Segment::~Segment() {
  guard_.Remove();
  if (uint8_t* base = base_.load()) files_->Unmap(base, static_cast<size_t>(bytes_));
  if (fd_ >= 0) files_->Close(fd_);
}

Status Segment::Open() {
  if (base() != nullptr) return Status::Ok();
  std::lock_guard lock(open_mutex_);
  if (base() != nullptr) return Status::Ok();
  if (fd_ < 0) MILLRACE_RETURN_IF_ERROR(files_->Open(path_, writable_ ? OpenMode::kReadWrite : OpenMode::kRead, &fd_));
  uint8_t* base = nullptr;
  Status status = files_->Map(fd_, static_cast<size_t>(bytes_), writable_, &base);
  if (!status.ok()) return status.At(path_);
  if (!guard_.Add(base, static_cast<size_t>(bytes_))) {
    files_->Unmap(base, static_cast<size_t>(bytes_));
    return Status::Error(Code::kUnknownError, "the process has 65,536 guarded mappings open already", path_);
  }
  residency_ = std::make_unique<const Residency>(base, bytes_);
  base_.store(base, std::memory_order_release);
  return Status::Ok();
}

Status Segment::Readable(int64_t log_offset) const {
  if (!damaged()) [[likely]]
    return Status::Ok();
  return Status::Error(Code::kPageUnreadable, "a page of the segment can't be read", path_, log_offset);
}

bool Segment::Claim(int64_t from, int64_t to) {
  std::unique_lock lock(claim_mutex_);
  filled_.wait(lock, [&] { return to <= filling_from_ || from >= filling_to_; });
  if (Populated(from, to)) return true;
  claimed_to_ = std::max(claimed_to_, to);
  return false;
}

int64_t Segment::claimed_to() const {
  std::lock_guard lock(claim_mutex_);
  return claimed_to_;
}

bool Segment::BeginFill(int64_t from, int64_t to) {
  std::lock_guard lock(claim_mutex_);
  if (from < claimed_to_) return false;
  filling_from_ = from;
  filling_to_ = to;
  // A piece that does not follow the last one: what lies between is not populated.
  if (from != populated_to.load(std::memory_order_relaxed)) populated_from.store(from, std::memory_order_relaxed);
  return true;
}

void Segment::EndFill(bool populated) {
  {
    std::lock_guard lock(claim_mutex_);
    if (populated) populated_to.store(filling_to_, std::memory_order_release);
    filling_from_ = filling_to_ = 0;
  }
  filled_.notify_one();
}

void Segment::Withdraw() {
  std::lock_guard lock(claim_mutex_);
  // The writer may just be copying into them.
  claimed_to_ = std::max(claimed_to_, populated_to.exchange(0));
}

Status Segment::ReserveUpTo(int64_t file_offset) {
  file_offset = std::min(file_offset, bytes_);
  if (file_offset <= reserved.load(std::memory_order_acquire)) return Status::Ok();
  std::lock_guard lock(reserve_mutex);
  const int64_t done = reserved.load(std::memory_order_relaxed);
  if (file_offset <= done) return Status::Ok();
  const int64_t step = std::clamp(done, kMinReserveBytes, kMaxReserveBytes);
  const int64_t wanted = std::min(bytes_, std::max(file_offset, done + step));
  Status status = files_->Reserve(fd_, done, wanted - done);
  // A disk that has not room for a whole step may still have it for this record.
  int64_t got = wanted;
  if (status.code == Code::kDiskFull && wanted > file_offset) {
    got = file_offset;
    status = files_->Reserve(fd_, done, got - done);
  }
  if (!status.ok()) return status.At(path_);
  reserved.store(got, std::memory_order_release);
  return Status::Ok();
}

Status Segment::ReadIn(int64_t file_offset, int64_t bytes) const {
  constexpr int64_t kAtOnce = 256 << 10;
  std::vector<uint8_t> nowhere(static_cast<size_t>(std::min(bytes, kAtOnce)));
  files_->StartRead(fd_, file_offset, bytes);
  for (int64_t done = 0; done < bytes; done += kAtOnce) {
    size_t got = 0;
    MILLRACE_RETURN_IF_ERROR(files_->Read(fd_, nowhere.data(), static_cast<size_t>(std::min(bytes - done, kAtOnce)),
                                          file_offset + done, &got));
  }
  return Status::Ok();
}

}  // namespace millrace
