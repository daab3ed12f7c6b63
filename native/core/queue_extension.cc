#include "queue_extension.h"

#include <algorithm>
#include <cerrno>

#include "consume_queue.h"
#include "data_pages.h"
#include "zeros.h"

namespace millrace {

namespace {

constexpr int64_t kReserveBytes = 4096;
constexpr int64_t kPieceBytes = 64 << 10;
constexpr int64_t kNoSize = -1;

int64_t OffsetOf(int64_t address) { return address - INT64_MIN; }

}  // namespace

QueueExtension::QueueExtension(ConsumeQueues* owner, std::shared_ptr<const std::string> topic, int32_t queue_id)
    : owner_(owner), topic_(std::move(topic)), queue_id_(queue_id) {}

int64_t QueueExtension::file_bytes() const { return owner_->options().extension_bytes; }
std::string QueueExtension::Directory() const {
  return owner_->options().paths.extensions + "/" + *topic_ + "/" + std::to_string(queue_id_);
}
std::string QueueExtension::FilePath(int64_t file) const {
  return Directory() + "/" + SegmentName(file * file_bytes());
}
std::string QueueExtension::BirthPath(int64_t file) const {
  return owner_->options().paths.work + "/extension-" + *topic_ + "-" + std::to_string(queue_id_) + "-" +
         std::to_string(file);
}
Status QueueExtension::Descriptor(int64_t file, std::shared_ptr<DescriptorCache::Holder>* out) {
  return owner_->descriptors().Get(
      {this, file}, [&] { return CurrentPath(file); }, true, out);
}

// Where a unit goes that follows what ends at `end`.
int64_t QueueExtension::PlaceAfter(int64_t end) const {
  const int64_t left = file_bytes() - end % file_bytes();
  return left < kExtensionUnitBytes + kExtensionEndBytes ? end + left : end;
}

Status QueueExtension::Load() {
  std::vector<DirectoryEntry> entries;
  const std::string directory = Directory();
  first_file_ = 0;
  last_file_ = made_to_ = -1;
  lost_.clear();
  FileInfo info;
  bool exists = false;
  const std::string topic_directory = owner_->options().paths.extensions + "/" + *topic_;
  for (const std::string& folder : {owner_->options().paths.extensions, topic_directory, directory}) {
    MILLRACE_RETURN_IF_ERROR(CheckFolder(owner_->files(), folder, false, &exists));
    if (!exists) return Status::Ok();
  }
  MILLRACE_RETURN_IF_ERROR(owner_->files()->List(directory, &entries));
  bool first = true;
  for (const auto& entry : entries) {
    const std::string path = directory + "/" + entry.name;
    int64_t from = 0;
    if (entry.kind == DirectoryEntry::Kind::kLink)
      return Status::Error(Code::kUnsafePath, "is a symbolic link among the files of a queue's extension", path);
    if (entry.kind != DirectoryEntry::Kind::kFile || !ParseSegmentName(entry.name, &from))
      return Status::Error(Code::kForeignFile,
                           "does not belong among the files of a queue's extension: RocketMQ refuses a store with it, "
                           "move it away",
                           path);
    MILLRACE_RETURN_IF_ERROR(owner_->files()->Stat(path, &info, &exists));
    // A power cut came before its length was on disk, or a Java store died before it had one: neither it nor what lies
    // behind it is known to any checkpoint.
    if (info.bytes == 0 || !lost_.empty()) {
      lost_.push_back(path);
      continue;
    }
    if (info.bytes != file_bytes() || from % file_bytes() != 0)
      return Status::Error(Code::kSegmentSizeMismatch,
                           "has " + std::to_string(info.bytes) + " bytes, and mappedFileSizeConsumeQueueExt is " +
                               std::to_string(file_bytes()),
                           path, info.bytes);
    if (first) first_file_ = from / file_bytes();
    first = false;
    last_file_ = made_to_ = from / file_bytes();
    end_ = INT64_MAX;  // until it is known: all is in files
  }
  return Status::Ok();
}

// From the files or from the tail; *got is less where no file lies.
Status QueueExtension::Read(int64_t offset, int64_t count, uint8_t* bytes, int64_t* got) {
  *got = 0;
  if (offset >= written()) {
    *got = std::clamp<int64_t>(end_ - offset, 0, count);
    std::copy_n(tail_.begin() + static_cast<ptrdiff_t>(offset - written()), *got, bytes);
    return Status::Ok();
  }
  const int64_t file = offset / file_bytes();
  if (file < first_file_ || file > last_file_) return Status::Ok();
  count = std::min(count, (file + 1) * file_bytes() - offset);
  std::shared_ptr<DescriptorCache::Holder> holder;
  const Status status = Descriptor(file, &holder);
  if (status.error_number() == ENOENT) return Status::Ok();
  MILLRACE_RETURN_IF_ERROR(status);
  size_t read = 0;
  MILLRACE_RETURN_IF_ERROR(
      owner_->files()->Read(holder->fd, bytes, static_cast<size_t>(count), offset % file_bytes(), &read));
  *got = static_cast<int64_t>(read);
  return Status::Ok();
}

// Behind the last unit of the last file, as Java finds it: sizes, until there is none.
Status QueueExtension::EndOfLastFile(int64_t* end) {
  *end = std::max<int64_t>(last_file_, 0) * file_bytes();
  std::vector<uint8_t> piece(kPieceBytes);
  int64_t from = *end, got = 0;
  while (last_file_ >= first_file_ && *end < (last_file_ + 1) * file_bytes() - 1) {
    if (*end + 2 > from + got) {
      from = *end;
      MILLRACE_RETURN_IF_ERROR(Read(from, kPieceBytes, piece.data(), &got));
      if (got < 2) break;
    }
    const auto size = static_cast<int16_t>(Get16(piece.data() + (*end - from)));
    if (size <= 0 || *end + size > (last_file_ + 1) * file_bytes()) break;
    *end += size;
  }
  return Status::Ok();
}

Status QueueExtension::CutBehind(int64_t address) {
  tail_.clear();
  end_ = INT64_MAX;
  int64_t end = 0;
  for (const std::string& path : lost_) MILLRACE_RETURN_IF_ERROR(owner_->files()->Unlink(path));
  lost_.clear();
  if (IsExtensionAddress(address)) {
    uint8_t head[2];
    int64_t got = 0;
    const int64_t offset = OffsetOf(address);
    MILLRACE_RETURN_IF_ERROR(Read(offset, sizeof head, head, &got));
    const int64_t size = got == sizeof head ? static_cast<int16_t>(Get16(head)) : kNoSize;
    // Where the unit is lost, the next file: nothing is put among what nobody knows.
    end = size >= kExtensionUnitBytes ? offset + size : (offset / file_bytes() + 1) * file_bytes();
  } else {
    MILLRACE_RETURN_IF_ERROR(EndOfLastFile(&end));
  }
  for (; last_file_ >= first_file_ && last_file_ * file_bytes() >= end; last_file_--) {
    owner_->descriptors().Drop({this, last_file_});
    MILLRACE_RETURN_IF_ERROR(owner_->files()->Unlink(FilePath(last_file_)));
  }
  if (last_file_ < first_file_) {
    first_file_ = (end + file_bytes() - 1) / file_bytes();
    last_file_ = first_file_ - 1;
    end = first_file_ * file_bytes();
  } else if (end < (last_file_ + 1) * file_bytes()) {
    std::shared_ptr<DescriptorCache::Holder> holder;
    MILLRACE_RETURN_IF_ERROR(Descriptor(last_file_, &holder));
    MILLRACE_RETURN_IF_ERROR(
        ForEachDataPage(owner_->files(), holder->fd, end % file_bytes(), file_bytes(),
                        [&](int64_t at, const uint8_t*, size_t length, bool*) {
                          owner_->MarkUnsynced(&unsynced_, last_file_, [this] { return FilePath(last_file_); });
                          return WriteZeros(owner_->files(), holder->fd, at, at + static_cast<int64_t>(length));
                        })
            .At(FilePath(last_file_)));
  } else {
    end = (last_file_ + 1) * file_bytes();
  }
  made_to_ = last_file_;
  end_ = reserved_ = end;
  return Status::Ok();
}

Status QueueExtension::Reset() {
  MILLRACE_RETURN_IF_ERROR(RemoveMadeAhead());
  for (; last_file_ >= first_file_; last_file_--) {
    owner_->descriptors().Drop({this, last_file_});
    MILLRACE_RETURN_IF_ERROR(owner_->files()->Unlink(FilePath(last_file_)));
  }
  first_file_ = 0;
  last_file_ = made_to_ = -1;
  end_ = reserved_ = 0;
  tail_.clear();
  return Status::Ok();
}

Status QueueExtension::MakeFile(int64_t file) {
  FileSystem* const files = owner_->files();
  const std::string path = BirthPath(file);
  MILLRACE_RETURN_IF_ERROR(files->Unlink(path));
  int fd = -1;
  MILLRACE_RETURN_IF_ERROR(files->Open(path, OpenMode::kCreateNew, &fd));
  Status status = files->SetLength(fd, file_bytes());
  files->Close(fd);
  if (!status.ok()) {
    (void)files->Unlink(path);
    return status.At(path);
  }
  made_to_ = file;
  return status;
}

Status QueueExtension::PutInPlace(int64_t file) {
  FileSystem* const files = owner_->files();
  const std::string& extensions = owner_->options().paths.extensions;
  const std::string topic_directory = extensions + "/" + *topic_;
  MILLRACE_RETURN_IF_ERROR(files->MakeDirectory(topic_directory));
  MILLRACE_RETURN_IF_ERROR(files->MakeDirectory(Directory()));
  MILLRACE_RETURN_IF_ERROR(files->Rename(BirthPath(file), FilePath(file)));
  last_file_ = file;
  std::lock_guard lock(owner_->lists_mutex_);
  for (const std::string& folder : {Directory(), topic_directory, extensions})
    owner_->new_directories_.push_back(folder);
  return Status::Ok();
}

Status QueueExtension::Prepare(int64_t units) {
  int64_t to = end_;
  for (; units > 0; units--) to = PlaceAfter(to) + kExtensionUnitBytes;
  while (reserved_ < to) {
    const int64_t file = reserved_ / file_bytes(), file_end = (file + 1) * file_bytes();
    const int64_t wanted = std::min(file_end, std::max(to, reserved_ + kReserveBytes));
    if (file > made_to_) MILLRACE_RETURN_IF_ERROR(MakeFile(file));
    std::shared_ptr<DescriptorCache::Holder> holder;
    MILLRACE_RETURN_IF_ERROR(Descriptor(file, &holder));
    Status status = owner_->files()->Reserve(holder->fd, reserved_ % file_bytes(), wanted - reserved_);
    if (!status.ok()) return status.At(CurrentPath(file));
    reserved_ = wanted;
  }
  return Status::Ok();
}

int64_t QueueExtension::Put(int64_t tag_code, int64_t store_timestamp) {
  const int64_t at = PlaceAfter(end_);
  const size_t mark = tail_.size();
  tail_.resize(mark + static_cast<size_t>(at - end_) + kExtensionUnitBytes);
  if (at - end_ >= 2) Put16(tail_.data() + mark, 0xFFFF);
  uint8_t* const unit = tail_.data() + tail_.size() - kExtensionUnitBytes;
  Put16(unit, kExtensionUnitBytes);
  Put64(unit + 2, static_cast<uint64_t>(tag_code));
  Put64(unit + 10, static_cast<uint64_t>(store_timestamp));
  Put16(unit + 18, 0);
  end_ = at + kExtensionUnitBytes;
  return INT64_MIN + at;
}

Status QueueExtension::WriteBytes(int64_t offset, const uint8_t* bytes, int64_t count) {
  const int64_t file = offset / file_bytes();
  if (file > made_to_) MILLRACE_RETURN_IF_ERROR(MakeFile(file));
  std::shared_ptr<DescriptorCache::Holder> holder;
  MILLRACE_RETURN_IF_ERROR(Descriptor(file, &holder));
  Status status = owner_->files()->Write(holder->fd, bytes, static_cast<size_t>(count), offset % file_bytes());
  if (!status.ok()) return status.At(CurrentPath(file));
  if (file > last_file_) MILLRACE_RETURN_IF_ERROR(PutInPlace(file));
  owner_->MarkUnsynced(&unsynced_, file, [&] { return FilePath(file); });
  return Status::Ok();
}

Status QueueExtension::WriteOut() {
  while (!tail_.empty()) {
    const int64_t first = written();
    const int64_t part = std::min<int64_t>(static_cast<int64_t>(tail_.size()), file_bytes() - first % file_bytes());
    MILLRACE_RETURN_IF_ERROR(WriteBytes(first, tail_.data(), part));
    tail_.erase(tail_.begin(), tail_.begin() + static_cast<ptrdiff_t>(part));
  }
  return Status::Ok();
}

Status QueueExtension::Rewrite(int64_t address) {
  std::vector<uint8_t> piece(kPieceBytes);
  for (int64_t at = OffsetOf(address), got = 0; at < written(); at += got) {
    MILLRACE_RETURN_IF_ERROR(Read(at, std::min(kPieceBytes, written() - at), piece.data(), &got));
    if (got == 0) break;
    MILLRACE_RETURN_IF_ERROR(WriteBytes(at, piece.data(), got));
  }
  return Status::Ok();
}

bool QueueExtension::Holds(int64_t address, int64_t tag_code, int64_t store_timestamp, bool delayed) {
  uint8_t unit[kExtensionUnitBytes];
  int64_t got = 0;
  if (!Read(OffsetOf(address), sizeof unit, unit, &got).ok() || got < kExtensionUnitBytes) return false;
  const int64_t code = GetI64(unit + 2);
  return static_cast<int16_t>(Get16(unit)) >= kExtensionUnitBytes && GetI64(unit + 10) == store_timestamp &&
         (code == tag_code || (delayed && code >= store_timestamp));
}

void QueueExtension::Expire(int64_t address, std::deque<std::string>* expired) {
  if (!IsExtensionAddress(address)) return;
  for (; first_file_ < last_file_ && (first_file_ + 1) * file_bytes() < OffsetOf(address); first_file_++) {
    owner_->descriptors().Drop({this, first_file_});
    expired->push_back(FilePath(first_file_));
  }
}

Status QueueExtension::RemoveMadeAhead() {
  for (; made_to_ > last_file_; made_to_--) MILLRACE_RETURN_IF_ERROR(owner_->files()->Unlink(BirthPath(made_to_)));
  return Status::Ok();
}

}  // namespace millrace
