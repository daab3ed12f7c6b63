#include "read_ahead.h"

#include <algorithm>

namespace millrace {

namespace {
constexpr int64_t kPieceBytes = 2 << 20;
constexpr int64_t kAheadBytes = 32 << 20;
}  // namespace

ReadAhead::ReadAhead(FileSystem* files, std::shared_ptr<const SegmentList> segments, int64_t from)
    : files_(files), segments_(std::move(segments)), tell_at_(from + kPieceBytes), reached_(from) {
  (void)thread_.Start([this] { Run(); });
}

ReadAhead::~ReadAhead() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  told_.notify_one();
  thread_.Join();
}

void ReadAhead::Tell(int64_t at) {
  {
    std::lock_guard lock(mutex_);
    reached_ = at;
  }
  told_.notify_one();
  tell_at_ = at + kPieceBytes;
}

void ReadAhead::Run() {
  int64_t asked = reached_;
  for (const auto& segment : *segments_) {
    while (asked < segment->end()) {
      {
        std::unique_lock lock(mutex_);
        told_.wait(lock, [&] { return stopping_ || asked < reached_ + kAheadBytes; });
        if (stopping_) return;
        asked = std::max(asked, reached_);
      }
      const int64_t from = std::max(asked, segment->from()), to = std::min(from + kPieceBytes, segment->end());
      if (from < to) files_->StartRead(segment->fd(), from - segment->from(), to - from);
      asked = to;
    }
  }
}

}  // namespace millrace
