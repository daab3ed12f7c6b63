#include "segment_keeper.h"

#include <algorithm>
#include <chrono>

#include "platform.h"
#include "zeros.h"

namespace millrace {

namespace {

using Clock = std::chrono::steady_clock;

// Pages are made by writing zeros, a piece at a time, and then mapped. Faults in a hole would make them one by one, and
// as many behind each as the system reads ahead, megabytes sometimes. A piece is a large page: made, mapped, protected
// and written back as one, and the writer's stores into it find their translation. Measured, that halves what a record
// costs.
constexpr int64_t kPieceBytes = platform::kLargePageBytes;
// What the writer fills itself when it comes past the keeper: far cheaper than a pwrite for each small record, and
// dearer than one for many.
constexpr int64_t kFillHereBytes = 64 << 10;
constexpr int64_t kPageBytes = 4096;
constexpr int64_t kMaxWindowBytes = 64 << 20;
// What the writer needs in this time is populated. The keeper looks again several times in it.
constexpr double kPopulateSeconds = 0.005;
// A keeper that fell behind begins again this far ahead of the writer.
constexpr double kLeadSeconds = 0.0005;
// The write rate is measured over at least so long, and each measurement moves the two rates by its share.
constexpr double kRateSeconds = 0.001;
constexpr double kShare = 0.5, kLastingShare = 0.05;
// What the writer needs in this time is reserved: fallocate holds the file's lock, and with a busy disk it waits for
// bitmaps to be read, so it must be done long before.
constexpr double kReserveSeconds = 4;
// A segment that lasts less than this is reserved as a whole when it is made, where nobody waits for its lock.
constexpr double kWholeSeconds = 60;
constexpr auto kLook = std::chrono::milliseconds(1);
constexpr auto kIdle = std::chrono::milliseconds(100);
// The next segment is begun when less than this is left (or half of a small segment), or what is to be reserved goes
// beyond.
constexpr int64_t kNextAheadBytes = 256 << 20;
constexpr size_t kMaxNext = 2;

int64_t RoundUp(int64_t offset, int64_t unit) { return (offset + unit - 1) / unit * unit; }

int64_t PopulateWindow(double bytes_per_second) {
  return std::clamp(static_cast<int64_t>(bytes_per_second * kPopulateSeconds), kPieceBytes, kMaxWindowBytes);
}

}  // namespace

SegmentKeeper::SegmentKeeper(FileSystem* files, const LogDirectories* directories, int64_t segment_bytes,
                             double populate_above, std::chrono::milliseconds rest)
    : files_(files),
      directories_(directories),
      segment_bytes_(segment_bytes),
      populate_above_(populate_above),
      rest_(rest) {}

Status SegmentKeeper::Start() {
  return thread_.running() ? Status::Ok() : thread_.Start([this] { Run(); });
}

void SegmentKeeper::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.Join();
  RemoveNext();
}

void SegmentKeeper::RemoveNext() {
  std::lock_guard lock(making_);
  for (auto& next : next_) {
    next->thread.Join();
    if (next->segment) (void)files_->Unlink(next->segment->path());  // a leftover is removed at the next open
  }
  next_.clear();
}

void SegmentKeeper::Wake() {
  appends_asleep_ = 0;
  {
    std::lock_guard lock(mutex_);
    asleep_.store(false, std::memory_order_relaxed);
  }
  wake_.notify_one();
}

void SegmentKeeper::Follow(const std::shared_ptr<Segment>& segment, int64_t file_offset) {
  std::lock_guard lock(mutex_);
  current_ = segment;
  if (segment) (void)segment->Claim(0, file_offset);  // what lies there is not to be filled
  written_.store(file_offset, std::memory_order_release);
}

Status SegmentKeeper::Make(const LogDirectory& directory, int64_t reserve_bytes, std::shared_ptr<Segment>* out) {
  const std::string path = directory.birth + "/segment-" + std::to_string(made_++);
  int fd = -1;
  MILLRACE_RETURN_IF_ERROR(files_->Unlink(path));
  Status status = files_->Open(path, OpenMode::kCreateNew, &fd);
  if (status.ok()) {
    status = files_->SetLength(fd, segment_bytes_);
    // Length and inode are on disk before anything in the segment can be acknowledged; its name is synced when it gets
    // it.
    if (status.ok()) status = files_->SyncFile(fd);
    files_->Close(fd);
  }
  if (status.ok()) {
    auto segment = std::make_shared<Segment>(files_, path, 0, segment_bytes_, true);
    status = segment->Open();
    if (status.ok()) status = segment->ReserveUpTo(std::clamp<int64_t>(reserve_bytes, 4096, segment_bytes_));
    if (status.ok()) {
      *out = std::move(segment);
      return status;
    }
  }
  (void)files_->Unlink(path);
  if (status.code != Code::kDiskFull) status.code = Code::kSegmentCreateFailed;
  return status.At(path);
}

Status SegmentKeeper::Take(int64_t from, std::shared_ptr<Segment>* out) {
  const LogDirectory& directory = directories_->For(from / segment_bytes_);
  const std::string path = directory.path + "/" + SegmentName(from);
  std::lock_guard lock(making_);
  std::shared_ptr<Segment> segment;
  if (!next_.empty()) {
    next_.front()->thread.Join();
    segment = std::move(next_.front()->segment);
    next_.pop_front();
  }
  // A disk that has filled up meanwhile has moved it to another directory, which a rename may not reach.
  if (segment && segment->path().substr(0, segment->path().rfind('/')) != directory.birth) {
    MILLRACE_RETURN_IF_ERROR(files_->Unlink(segment->path()));
    segment.reset();
  }
  if (!segment) MILLRACE_RETURN_IF_ERROR(Make(directory, 0, &segment));
  Status status = files_->Rename(segment->path(), path);
  if (!status.ok()) {
    (void)files_->Unlink(segment->path());
    return status;
  }
  segment->set_from(from);
  segment->set_path(path);
  *out = std::move(segment);
  return Status::Ok();
}

// With `left` bytes of the segment.
void SegmentKeeper::MakeNext(const Segment& segment, int64_t left) {
  const auto needed = static_cast<int64_t>(lasting_bytes_per_second_ * kReserveSeconds);
  if (left >= std::max(std::min(kNextAheadBytes, segment_bytes_ / 2), needed)) return;
  std::lock_guard lock(making_);
  const bool fast = needed > left + static_cast<int64_t>(next_.size()) * segment_bytes_;
  if (next_.size() >= (fast ? kMaxNext : 1)) return;
  const bool whole = lasting_bytes_per_second_ * kWholeSeconds >= static_cast<double>(segment_bytes_);
  auto next = std::make_unique<Making>();
  const int64_t number = segment.end() / segment_bytes_ + static_cast<int64_t>(next_.size());
  const Status started =
      next->thread.Start([this, number, making = next.get(), reserve_bytes = whole ? segment_bytes_ : 0] {
        platform::NameThread("mr-segment");
        (void)Make(directories_->For(number), reserve_bytes,
                   &making->segment);  // the writer that takes it tries again, and reports
      });
  if (started.ok()) next_.push_back(std::move(next));
}

bool SegmentKeeper::WorkAhead(Segment& segment) {
  const int64_t written = written_.load(std::memory_order_acquire);
  const int64_t window = PopulateWindow(bytes_per_second_);
  const auto reserve = static_cast<int64_t>(lasting_bytes_per_second_ * kReserveSeconds);
  const int64_t target = std::min(segment.bytes(), written + window);
  // A full disk is the writer's to report: it asks for its own record's blocks and gets the error.
  if (!segment.ReserveUpTo(std::min(segment.bytes(), written + std::max(window, reserve))).ok()) return false;
  MakeNext(segment, segment.bytes() - written);
  if (!populating_.load(std::memory_order_relaxed)) return false;
  int64_t from = segment.populated_to.load(std::memory_order_relaxed);
  if (from < written) {
    // The writer came past: begin where it will be, not where both would fill the same pages.
    from = std::max(written + static_cast<int64_t>(bytes_per_second_ * kLeadSeconds), segment.claimed_to());
    from = RoundUp(from, kPieceBytes);
  }
  if (from >= target) return false;
  const int64_t to = std::min(RoundUp(from + 1, kPieceBytes), segment.bytes());
  if (!segment.BeginFill(from, to)) return false;
  const bool filled = Fill(segment, from, to);
  segment.EndFill(filled);
  return filled;
}

bool SegmentKeeper::Fill(Segment& segment, int64_t from, int64_t to) {
  if (to > segment.reserved.load(std::memory_order_acquire) || given_up_.load() == &segment) return false;
  if (!WriteZeros(files_, segment.fd(), RoundUp(from, kPageBytes), to).ok()) return false;
  if (!files_->Populate(segment.base() + from, static_cast<size_t>(to - from))) {
    given_up_ = &segment;  // zeros again and again would be for nothing
    return false;
  }
  populated_bytes_.fetch_add(to - from, std::memory_order_relaxed);
  return true;
}

int64_t SegmentKeeper::FillHere(Segment& segment, int64_t file_offset, int64_t end) {
  if (end - file_offset > kFillHereBytes / 4 || !populating_.load(std::memory_order_relaxed)) return file_offset;
  const int64_t reserved = segment.reserved.load(std::memory_order_acquire) & ~(kPageBytes - 1);
  const int64_t to = std::min(reserved, (end + kFillHereBytes) & ~(kPageBytes - 1));
  if (to <= end) return file_offset;
  (void)segment.Claim(file_offset, to);
  return Fill(segment, file_offset, to) ? to : file_offset;
}

void SegmentKeeper::Run() {
  platform::NameThread("mr-keeper");
  MappingGuard::PrepareThread();
  int64_t last_position = 0;
  auto last_time = Clock::now(), last_move = last_time;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    const std::shared_ptr<Segment> segment = current_;
    const auto now = Clock::now();
    const int64_t position = segment ? segment->from() + written_.load(std::memory_order_acquire) : 0;
    const double elapsed = std::chrono::duration<double>(now - last_time).count();
    if (elapsed >= kRateSeconds) {
      const double rate = static_cast<double>(position - last_position) / elapsed;
      bytes_per_second_ += kShare * (rate - bytes_per_second_);
      lasting_bytes_per_second_ += kLastingShare * (rate - lasting_bytes_per_second_);
      populating_ = lasting_bytes_per_second_ >= (populating_ ? populate_above_ / 2 : populate_above_);
      if (position != last_position) last_move = now;
      last_time = now;
      last_position = position;
    }
    if (!segment || now - last_move > kIdle) {
      // Else one message now and then would have a whole large page written again by each sync.
      if (segment) segment->Withdraw();
      asleep_.store(true, std::memory_order_relaxed);
      const auto woken = [this] { return stop_ || !asleep_.load(std::memory_order_relaxed); };
      if (!wake_.wait_for(lock, rest_, woken)) {
        lock.unlock();
        RemoveNext();  // after a burst they hold a gigabyte of disk each
        lock.lock();
        wake_.wait(lock, woken);
      }
      last_time = last_move = Clock::now();
      last_position = current_ ? current_->from() + written_.load(std::memory_order_acquire) : 0;
      bytes_per_second_ = lasting_bytes_per_second_ = 0;
      populating_ = false;
    } else {
      lock.unlock();
      for (int i = 0; i < 8 && WorkAhead(*segment); i++) {
      }
      lock.lock();
      const int64_t ahead =
          segment->populated_to.load(std::memory_order_relaxed) - written_.load(std::memory_order_acquire);
      if (!populating_ || ahead >= PopulateWindow(bytes_per_second_) / 2)
        wake_.wait_for(lock, kLook, [this] { return stop_; });
    }
  }
}

}  // namespace millrace
