// A queue's bounds, as they are found when a store opens and move when old messages go.
#include <algorithm>
#include <cerrno>

#include "consume_queue.h"
#include "data_pages.h"
#include "zeros.h"

namespace millrace {

Status ConsumeQueue::Load() {
  std::vector<DirectoryEntry> entries;
  const std::string directory = Directory();
  MILLRACE_RETURN_IF_ERROR(owner_->files()->List(directory, &entries));
  const int64_t file_bytes = owner_->options().file_bytes;
  first_file_ = 0;
  last_file_ = -1;
  for (const auto& entry : entries) {
    const std::string path = directory + "/" + entry.name;
    int64_t from = 0;
    if (entry.kind == DirectoryEntry::Kind::kLink)
      return Status::Error(Code::kUnsafePath, "is a symbolic link among the queue's files", path);
    if (entry.kind != DirectoryEntry::Kind::kFile || !ParseSegmentName(entry.name, &from))
      return Status::Error(Code::kForeignFile,
                           "does not belong among the queue's files: RocketMQ refuses a store with it, move it away",
                           path);
    FileInfo info;
    bool exists = false;
    MILLRACE_RETURN_IF_ERROR(owner_->files()->Stat(path, &info, &exists));
    if (!exists) continue;
    if (info.bytes != file_bytes)
      return Status::Error(Code::kSegmentSizeMismatch,
                           "has " + std::to_string(info.bytes) + " bytes, and mappedFileSizeConsumeQueue is " +
                               std::to_string(file_bytes),
                           path, info.bytes);
    const int64_t file = from / file_bytes;
    if (from % file_bytes != 0 || (has_files() && file != last_file_ + 1))
      return Status::Error(Code::kCorruptQueue, "does not follow the file before it", path, from);
    if (!has_files()) first_file_ = file;
    last_file_ = file;
  }
  tail_first_ = max_offset_ = files_end();
  min_offset_ = files_begin();
  return Status::Ok();
}

Status ConsumeQueue::SetBounds(int64_t min, int64_t max, const QueueUnit* last) {
  MILLRACE_RETURN_IF_ERROR(TakeBounds(min, max, last));
  return owner_->options().writable && has_files() ? ZeroBehind(max) : Status::Ok();
}

Status ConsumeQueue::TakeBounds(int64_t min, int64_t max, const QueueUnit* last) {
  {
    std::lock_guard lock(tail_lock_);
    tail_first_ = max;
    tail_count_ = 0;
  }
  min_offset_ = min;
  max_offset_ = max;
  next_offset_ = max;
  last_ = {max, last != nullptr ? last->log_offset : -1, last != nullptr ? last->size : 0};
  reserved_ = max;
  if (extension_) {
    QueueUnit before{};
    bool there = false;
    if (last == nullptr && has_files() && max > files_begin())
      MILLRACE_RETURN_IF_ERROR(ReadUnit(max - 1, &before, &there));
    MILLRACE_RETURN_IF_ERROR(extension_->CutBehind(last != nullptr ? last->tag_code : before.tag_code));
  }
  return Status::Ok();
}

// A unit behind the end would be taken for one once the units before it are there again. Whole files behind the end go.
Status ConsumeQueue::ZeroBehind(int64_t offset) {
  while (has_files() && last_file_ * units_per_file() >= offset && last_file_ > first_file_) {
    owner_->descriptors().Drop({this, last_file_});
    MILLRACE_RETURN_IF_ERROR(owner_->files()->Unlink(FilePath(last_file_)));
    last_file_--;
    made_to_ = std::min(made_to_, last_file_);
  }
  if (offset >= files_end()) return Status::Ok();
  std::shared_ptr<DescriptorCache::Holder> file;
  MILLRACE_RETURN_IF_ERROR(Descriptor(last_file_, &file));
  const int64_t from = std::max<int64_t>(0, offset - last_file_ * units_per_file()) * kUnitBytes;
  return ForEachDataPage(owner_->files(), file->fd, from, owner_->options().file_bytes,
                         [&](int64_t at, const uint8_t*, size_t length, bool*) {
                           owner_->MarkUnsynced(&unsynced_, last_file_, [this] { return FilePath(last_file_); });
                           return WriteZeros(owner_->files(), file->fd, at, at + static_cast<int64_t>(length));
                         })
      .At(CurrentPath(last_file_));
}

Status ConsumeQueue::Rewrite(int64_t from, int64_t to) {
  if (from >= to) return Status::Ok();
  std::vector<uint8_t> units(64 << 10);
  int64_t address = 0;
  while (from < to) {
    int64_t got = 0;
    const auto room = static_cast<int64_t>(units.size() / kUnitBytes);
    MILLRACE_RETURN_IF_ERROR(Read(from, std::min(room, to - from), units.data(), &got));
    if (got == 0) break;
    MILLRACE_RETURN_IF_ERROR(WriteUnits(from, units.data(), got));
    for (int64_t i = 0; i < got && address >= 0; i++) {
      const int64_t code = DecodeUnit(units.data() + i * kUnitBytes).tag_code;
      if (IsExtensionAddress(code)) address = code;  // the first one: addresses rise
    }
    from += got;
  }
  if (extension_ && IsExtensionAddress(address)) MILLRACE_RETURN_IF_ERROR(extension_->Rewrite(address));
  NoteFolders();
  return Status::Ok();
}

Status ConsumeQueue::Reset() {
  for (int64_t file = first_file_; file <= last_file_; file++) owner_->descriptors().Drop({this, file});
  MILLRACE_RETURN_IF_ERROR(RemoveMadeAhead());
  born_ = false;
  made_to_ = -1;
  std::vector<DirectoryEntry> entries;
  bool exists = false;
  FileInfo info;
  MILLRACE_RETURN_IF_ERROR(owner_->files()->Stat(Directory(), &info, &exists));
  if (exists) {
    MILLRACE_RETURN_IF_ERROR(owner_->files()->List(Directory(), &entries));
    for (const auto& entry : entries) {
      int64_t from;
      if (entry.kind == DirectoryEntry::Kind::kFile && ParseSegmentName(entry.name, &from))
        MILLRACE_RETURN_IF_ERROR(owner_->files()->Unlink(Directory() + "/" + entry.name));
    }
  }
  first_file_ = 0;
  last_file_ = -1;
  if (extension_) MILLRACE_RETURN_IF_ERROR(extension_->Reset());
  return SetBounds(0, 0);
}

// As FirstNotBelow, but a filler lies below everything.
Status ConsumeQueue::Bisect(int64_t log_offset, int64_t low, int64_t high, int64_t* unit_offset) {
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    QueueUnit unit{};
    bool there = false;
    Status status = ReadUnit(middle, &unit, &there);
    const bool deleted = status.error_number() == ENOENT;  // by another process
    if (!status.ok() && !deleted) return status;
    if (deleted || (there && (unit.log_offset < log_offset || IsPreBlank(unit)))) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  *unit_offset = low;
  return Status::Ok();
}

Status ConsumeQueue::FirstNotBelow(int64_t log_offset, int64_t low, int64_t high, int64_t* unit_offset) {
  MILLRACE_RETURN_IF_ERROR(Bisect(log_offset, low, std::min(low + 1, high), unit_offset));
  if (*unit_offset == low) return Status::Ok();  // of most queues when there are many
  for (;;) {
    MILLRACE_RETURN_IF_ERROR(Bisect(log_offset, low, high, unit_offset));
    if (log_offset == INT64_MAX) return Status::Ok();
    // Fillers stand in front of a queue's first message, or in a gap: then what is in front of them decides.
    int64_t gap = *unit_offset;
    MILLRACE_RETURN_IF_ERROR(BackOverFillers(low, &gap));
    if (gap == *unit_offset || gap == low) return Status::Ok();
    int64_t before = 0;
    MILLRACE_RETURN_IF_ERROR(Bisect(log_offset, gap - 1, gap, &before));
    if (before == gap) return Status::Ok();
    high = before;
  }
}

// Takes *offset back over the fillers in front of it, down to `low` at most.
Status ConsumeQueue::BackOverFillers(int64_t low, int64_t* offset) {
  std::vector<uint8_t> units(kUnitBytes);
  while (*offset > low) {
    const auto room = static_cast<int64_t>(units.size() / kUnitBytes);
    const int64_t file_begin = (*offset - 1) / units_per_file() * units_per_file();
    const int64_t from = std::max({low, file_begin, *offset - room});
    int64_t got = 0;
    Status status = Read(from, *offset - from, units.data(), &got);
    if (!status.ok() && status.error_number() != ENOENT) return status;
    if (got < *offset - from) return Status::Ok();
    for (; got > 0; got--, --*offset)
      if (!IsPreBlank(DecodeUnit(units.data() + (got - 1) * kUnitBytes))) return Status::Ok();
    units.resize(kUnitBytes * 3000);  // there are fillers: mostly there are none
  }
  return Status::Ok();
}

void ConsumeQueue::Expire(int64_t min, std::deque<std::string>* expired) {
  min_offset_.store(min, std::memory_order_release);
  QueueUnit first{};
  bool there = false;
  if (extension_ && ReadUnit(min, &first, &there).ok() && there) extension_->Expire(first.tag_code, expired);
  for (; first_file_ < last_file_ && (first_file_ + 1) * units_per_file() <= min; first_file_++) {
    owner_->descriptors().Drop({this, first_file_});
    expired->push_back(FilePath(first_file_));
  }
}

}  // namespace millrace
