// A queue: putting units, its files as they grow, and reading. What opening and retention do to it is in
// consume_queue_bounds.cc.
#include "consume_queue.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace millrace {

namespace {

constexpr uint32_t kMinTailUnits = 8;
constexpr uint32_t kMaxTailUnits = 816;  // just under four pages
constexpr int64_t kReserveUnits = 4096 / kUnitBytes;
}  // namespace

ConsumeQueue::ConsumeQueue(ConsumeQueues* owner, std::shared_ptr<const std::string> topic, int32_t queue_id)
    : owner_(owner), topic_(std::move(topic)), queue_id_(queue_id) {
  if (owner->options().extension_bytes > 0) extension_ = std::make_unique<QueueExtension>(owner, topic_, queue_id);
}

ConsumeQueue::~ConsumeQueue() { free(tail_); }

Status ConsumeQueue::Descriptor(int64_t file, std::shared_ptr<DescriptorCache::Holder>* out) const {
  return owner_->descriptors().Get(
      {this, file}, [&] { return CurrentPath(file); }, owner_->options().writable, out);
}

int64_t ConsumeQueue::units_per_file() const { return owner_->options().file_bytes / kUnitBytes; }
std::string ConsumeQueue::Directory() const {
  return owner_->options().paths.queues + "/" + *topic_ + "/" + std::to_string(queue_id_);
}
std::string ConsumeQueue::FilePath(int64_t file) const {
  return Directory() + "/" + SegmentName(file * owner_->options().file_bytes);
}
std::string ConsumeQueue::BirthPath(int64_t file) const {
  return owner_->options().paths.work + "/queue-" + *topic_ + "-" + std::to_string(queue_id_) + "-" +
         std::to_string(file);
}
std::string ConsumeQueue::CurrentPath(int64_t file) const {
  return born_ && file == last_file_ ? BirthPath(file) : FilePath(file);
}

// A file that follows the last one, with blocks for its first bytes: made outside the queue's folder, at full length.
Status ConsumeQueue::MakeAhead(int64_t file, int64_t reserve_bytes) {
  FileSystem* files = owner_->files();
  const std::string path = BirthPath(file);
  const bool made = file <= made_to_;
  if (!made) MILLRACE_RETURN_IF_ERROR(files->Unlink(path));
  int fd = -1;
  MILLRACE_RETURN_IF_ERROR(files->Open(path, made ? OpenMode::kReadWrite : OpenMode::kCreateNew, &fd));
  Status status = made ? Status::Ok() : files->SetLength(fd, owner_->options().file_bytes);
  if (status.ok() && reserve_bytes > 0)
    status = files->Reserve(fd, 0, std::min(owner_->options().file_bytes, reserve_bytes));
  files->Close(fd);
  if (!status.ok()) {
    if (!made) (void)files->Unlink(path);
    return status.At(path);
  }
  made_to_ = std::max(made_to_, file);
  return status;
}

Status ConsumeQueue::RemoveMadeAhead() {
  if (extension_) MILLRACE_RETURN_IF_ERROR(extension_->RemoveMadeAhead());
  for (; made_to_ > last_file_ || (born_ && made_to_ == last_file_); made_to_--)
    MILLRACE_RETURN_IF_ERROR(owner_->files()->Unlink(BirthPath(made_to_)));
  return Status::Ok();
}

// A file made ahead becomes the queue's last one; PutInPlace() renames it in once it holds something.
void ConsumeQueue::GoOnIn(int64_t file) {
  if (!has_files()) first_file_ = file;
  last_file_ = file;
  born_ = true;
}

Status ConsumeQueue::MakeFile(int64_t file) {
  // The file before is complete in memory and gets its units first: a queue's files are always without a gap.
  if (has_files()) {
    MILLRACE_RETURN_IF_ERROR(WriteOut());
    MILLRACE_RETURN_IF_ERROR(PutInPlace(last_file_));
  }
  if (has_files() && last_file_ >= file) return Status::Ok();
  const int64_t begin = file * units_per_file();
  const int64_t skipped = max_offset() - begin;
  MILLRACE_RETURN_IF_ERROR(MakeAhead(file, (skipped + kReserveUnits) * kUnitBytes));
  if (skipped > 0) {
    std::vector<uint8_t> blanks(static_cast<size_t>(skipped) * kUnitBytes);
    for (int64_t i = 0; i < skipped; i++) EncodeUnit(kPreBlank, blanks.data() + i * kUnitBytes);
    int fd = -1;
    MILLRACE_RETURN_IF_ERROR(owner_->files()->Open(BirthPath(file), OpenMode::kReadWrite, &fd));
    Status status = owner_->files()->Write(fd, blanks.data(), blanks.size(), 0);
    owner_->files()->Close(fd);
    if (!status.ok()) return status.At(BirthPath(file));
  }
  GoOnIn(file);
  reserved_ = std::max(reserved_, std::min(begin + units_per_file(), max_offset() + kReserveUnits));
  return Status::Ok();
}

Status ConsumeQueue::PutInPlace(int64_t file) {
  if (!born_ || file != last_file_) return Status::Ok();
  FileSystem* files = owner_->files();
  const std::string topic_directory = owner_->options().paths.queues + "/" + *topic_;
  MILLRACE_RETURN_IF_ERROR(files->MakeDirectory(topic_directory));
  MILLRACE_RETURN_IF_ERROR(files->MakeDirectory(Directory()));
  MILLRACE_RETURN_IF_ERROR(files->Rename(BirthPath(file), FilePath(file)));
  born_ = false;
  NoteFolders();
  return Status::Ok();
}

// Its folders hold something that the disk may not know yet.
void ConsumeQueue::NoteFolders() {
  std::lock_guard lock(owner_->lists_mutex_);
  owner_->new_directories_.push_back(Directory());
  owner_->new_directories_.push_back(owner_->options().paths.queues + "/" + *topic_);
}

Status ConsumeQueue::ReserveFor(int64_t units) {
  const int64_t at = max_offset(), end = at + units;
  if (!has_files() || at >= files_end()) MILLRACE_RETURN_IF_ERROR(MakeFile(at / units_per_file()));
  const int64_t base = last_file_ * units_per_file();
  // A page at a time, and up to sixteen in a queue that has many.
  const int64_t step = std::clamp((at - base) / 4, kReserveUnits, 16 * kReserveUnits);
  const int64_t wanted = std::min(files_end(), std::max(end, reserved_ + step));
  if (wanted > reserved_) {
    const int64_t from = std::max(reserved_, base);
    std::shared_ptr<DescriptorCache::Holder> file;
    MILLRACE_RETURN_IF_ERROR(Descriptor(last_file_, &file));
    Status status = owner_->files()->Reserve(file->fd, (from - base) * kUnitBytes, (wanted - from) * kUnitBytes);
    if (!status.ok()) return status.At(CurrentPath(last_file_));
    reserved_ = wanted;
  }
  // A batch may reach over the file's end, and over that of the next one.
  for (int64_t file = last_file_ + 1; reserved_ < end; file++) {
    const int64_t to = std::min(end, (file + 1) * units_per_file());
    MILLRACE_RETURN_IF_ERROR(MakeAhead(file, (to - file * units_per_file()) * kUnitBytes));
    reserved_ = to;
  }
  return Status::Ok();
}

void ConsumeQueue::Grow(uint32_t capacity) {
  auto* bigger = static_cast<uint8_t*>(malloc(static_cast<size_t>(capacity) * kUnitBytes));
  if (bigger == nullptr) abort();  // as operator new would end without exceptions
  owner_->tail_bytes_.fetch_add((static_cast<int64_t>(capacity) - tail_capacity_) * kUnitBytes,
                                std::memory_order_relaxed);
  std::lock_guard lock(tail_lock_);
  if (tail_count_ > 0) memcpy(bigger, tail_, static_cast<size_t>(tail_count_) * kUnitBytes);
  free(tail_);
  tail_ = bigger;
  tail_capacity_ = capacity;
}

void ConsumeQueue::Put(const QueueUnit& unit) {
  if (tail_count_ == tail_capacity_) [[unlikely]] {
    const bool may_grow =
        tail_capacity_ < kMaxTailUnits &&
        (tail_capacity_ < kMinTailUnits || owner_->tail_bytes() < owner_->options().tail_budget_bytes);
    // A tail that can't be written (a full disk, a broken device) grows: the log has the record, and the unit must be
    // visible.
    if (!owner_->options().writable || may_grow || !WriteOut().ok() || tail_capacity_ == 0) {
      const uint32_t grown = tail_capacity_ == 0 ? kMinTailUnits : tail_capacity_ * 2;
      Grow(tail_capacity_ < kMaxTailUnits ? std::min(grown, kMaxTailUnits) : grown);
    }
  }
  // Without the lock: nobody reads behind max_offset_, and where the tail lies changes on this thread alone.
  EncodeUnit(unit, tail_ + static_cast<size_t>(tail_count_++) * kUnitBytes);
  const int64_t offset = max_offset_.load(std::memory_order_relaxed) + 1;
  last_ = {offset, unit.log_offset, unit.size};
  max_offset_.store(offset, std::memory_order_release);
  next_offset_ = offset;
  if (!dirty_) owner_->MarkDirty(this);
}

Status ConsumeQueue::WriteOut() {
  if (tail_count_ == 0) return Status::Ok();
  if (extension_) MILLRACE_RETURN_IF_ERROR(extension_->WriteOut());
  MILLRACE_RETURN_IF_ERROR(WriteUnits(tail_first_, tail_, tail_count_));
  std::lock_guard lock(tail_lock_);
  tail_first_ += tail_count_;
  tail_count_ = 0;
  return Status::Ok();
}

Status ConsumeQueue::Settle() {
  const Status status = WriteOut();
  if (!status.ok()) {
    if (!dirty_) owner_->MarkDirty(this);
    return status;
  }
  if (extension_) extension_->FreeTail();
  FreeTail();
  return status;
}

void ConsumeQueue::FreeTail() {
  owner_->tail_bytes_.fetch_sub(static_cast<int64_t>(tail_capacity_) * kUnitBytes, std::memory_order_relaxed);
  std::lock_guard lock(tail_lock_);
  free(tail_);
  tail_ = nullptr;
  tail_capacity_ = 0;
}

// Where all of it goes into a file that is there, in its place.
bool ConsumeQueue::TakeTail(TakenTail* taken) const {
  if (tail_count_ == 0 || extension_ || born_ || !has_files()) return false;
  taken->first = tail_first_;
  taken->file = tail_first_ / units_per_file();
  if (taken->file != last_file_ || tail_first_ + tail_count_ > files_end()) return false;
  taken->units.assign(tail_, tail_ + static_cast<size_t>(tail_count_) * kUnitBytes);
  return true;
}

Status ConsumeQueue::WriteTail(const TakenTail& taken) const {
  const auto path = [&] { return FilePath(taken.file); };
  std::shared_ptr<DescriptorCache::Holder> holder;
  MILLRACE_RETURN_IF_ERROR(owner_->descriptors().Get({this, taken.file}, path, true, &holder));
  const int64_t at = (taken.first - taken.file * units_per_file()) * kUnitBytes;
  return owner_->files()->Write(holder->fd, taken.units.data(), taken.units.size(), at).At(path());
}

Status ConsumeQueue::LetTailGo(const TakenTail& taken, const Status& written) {
  const int64_t end = taken.first + static_cast<int64_t>(taken.units.size() / kUnitBytes);
  // Others may have written these units meanwhile, and gone on in another file: then it does not matter that the one
  // before could not be written any more.
  if (tail_first_ < end) {
    if (!written.ok()) {
      if (!dirty_) owner_->MarkDirty(this);
      return written;
    }
    const auto count = static_cast<uint32_t>(end - tail_first_);
    std::lock_guard lock(tail_lock_);
    tail_first_ = end;
    tail_count_ -= count;
    memmove(tail_, tail_ + static_cast<size_t>(count) * kUnitBytes, static_cast<size_t>(tail_count_) * kUnitBytes);
  }
  owner_->MarkUnsynced(&unsynced_, taken.file, [&] { return FilePath(taken.file); });
  if (tail_count_ == 0) FreeTail();
  return Status::Ok();
}

// The units may reach over the end of a file.
Status ConsumeQueue::WriteUnits(int64_t first, const uint8_t* units, int64_t count) {
  while (count > 0) {
    const int64_t file = first / units_per_file();
    if (!has_files() || file > last_file_) {
      if (has_files()) MILLRACE_RETURN_IF_ERROR(PutInPlace(last_file_));
      if (file > made_to_) MILLRACE_RETURN_IF_ERROR(MakeAhead(file, 0));
      GoOnIn(file);
      reserved_ = std::max(reserved_, file * units_per_file());
    }
    const int64_t base = file * units_per_file();
    const int64_t part = std::min(count, base + units_per_file() - first);
    std::shared_ptr<DescriptorCache::Holder> holder;
    MILLRACE_RETURN_IF_ERROR(Descriptor(file, &holder));
    Status status =
        owner_->files()->Write(holder->fd, units, static_cast<size_t>(part) * kUnitBytes, (first - base) * kUnitBytes);
    if (!status.ok()) return status.At(CurrentPath(file));
    MILLRACE_RETURN_IF_ERROR(PutInPlace(file));
    owner_->MarkUnsynced(&unsynced_, file, [&] { return FilePath(file); });
    first += part;
    units += part * kUnitBytes;
    count -= part;
  }
  return Status::Ok();
}

Status ConsumeQueue::Read(int64_t offset, int64_t count, uint8_t* units, int64_t* got, bool cached_only) {
  *got = 0;
  const int64_t max = max_offset();
  const int64_t file_end = (offset / units_per_file() + 1) * units_per_file();
  count = std::min({count, max - offset, file_end - offset});
  if (offset < min_offset() || count <= 0) return Status::Ok();
  int64_t in_file;
  {
    std::lock_guard lock(tail_lock_);
    in_file = std::min(count, std::max<int64_t>(0, tail_first_ - offset));
    if (in_file < count) {
      const int64_t from = std::max(offset, tail_first_) - tail_first_;
      memcpy(units + in_file * kUnitBytes, tail_ + from * kUnitBytes,
             static_cast<size_t>(count - in_file) * kUnitBytes);
    }
  }
  if (in_file > 0) {
    const int64_t file = offset / units_per_file();
    const int64_t at = (offset - file * units_per_file()) * kUnitBytes;
    std::shared_ptr<DescriptorCache::Holder> holder;
    Status status = owner_->descriptors().Get(
        {this, file}, [&] { return FilePath(file); }, owner_->options().writable, &holder);
    if (!status.ok()) {
      if (offset < min_offset()) return Status::Ok();  // retention was here in the meantime
      return status;
    }
    const size_t bytes = static_cast<size_t>(in_file) * kUnitBytes;
    if (cached_only) {
      ptrdiff_t read = 0;
      MILLRACE_RETURN_IF_ERROR(owner_->files()->ReadCached(holder->fd, units, bytes, at, &read));
      if (read < 0) {
        *got = -1;
        return Status::Ok();
      }
    } else {
      size_t read = 0;
      MILLRACE_RETURN_IF_ERROR(owner_->files()->Read(holder->fd, units, bytes, at, &read));
      if (read < bytes) count = static_cast<int64_t>(read / kUnitBytes);
    }
  }
  *got = count;
  return Status::Ok();
}

Status ConsumeQueue::ReadUnit(int64_t offset, QueueUnit* unit, bool* there) {
  uint8_t bytes[kUnitBytes];
  int64_t got = 0;
  const Status status = Read(offset, 1, bytes, &got);
  if (got == 1) *unit = DecodeUnit(bytes);
  *there = got == 1 && unit->log_offset >= 0 && unit->size > 0;
  return status;
}

int64_t ConsumeQueue::NextFileOffset(int64_t offset) const {
  return (offset / units_per_file() + 1) * units_per_file();
}

}  // namespace millrace
