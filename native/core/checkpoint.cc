#include "checkpoint.h"

#include <algorithm>

#include "bytes.h"
#include "crc32.h"
#include "zeros.h"

namespace millrace {

namespace {

constexpr size_t kCheckpointBytes = 4096;
constexpr int64_t kMarginMs = 3000;
constexpr uint64_t kPositionMagic = 0x4D524543504F5331;  // "MRECPOS1"
constexpr size_t kPositionBytes = 68, kSlotBytes = 512;
constexpr int64_t kSlotOffsets[2] = {0, 4096};
constexpr uint64_t kTableMagic = 0x4D52454351554532;  // "MRECQUE2"
constexpr size_t kTableHeaderBytes = 40;
constexpr size_t kMaxTableBytes = size_t{1} << 30;

}  // namespace

Status ReadWhole(FileSystem* files, const std::string& path, size_t limit, std::vector<uint8_t>* bytes, bool* exists) {
  bytes->clear();
  FileInfo info;
  MILLRACE_RETURN_IF_ERROR(files->Stat(path, &info, exists));
  if (!*exists) return Status::Ok();
  if (info.kind != DirectoryEntry::Kind::kFile) return Status::Error(Code::kUnsafePath, "is no ordinary file", path);
  int fd = -1;
  MILLRACE_RETURN_IF_ERROR(files->Open(path, OpenMode::kRead, &fd));
  bytes->resize(std::min<size_t>(limit, static_cast<size_t>(info.bytes)));
  size_t got = 0;
  Status status = files->Read(fd, bytes->data(), bytes->size(), 0, &got);
  files->Close(fd);
  bytes->resize(got);
  return status.At(path);
}

Status ReplaceWhole(FileSystem* files, const std::string& work, const std::string& path,
                    const std::vector<uint8_t>& bytes, const std::string& former) {
  const std::string birth = work + "/" + path.substr(path.rfind('/') + 1) + ".new";
  int fd = -1;
  MILLRACE_RETURN_IF_ERROR(files->Unlink(birth));
  MILLRACE_RETURN_IF_ERROR(files->Open(birth, OpenMode::kCreateNew, &fd));
  Status status = files->Write(fd, bytes.data(), bytes.size(), 0);
  if (status.ok()) status = files->SyncFile(fd);
  files->Close(fd);
  bool exists = !former.empty();
  FileInfo info;
  if (status.ok() && exists) status = files->Stat(path, &info, &exists);
  if (status.ok() && exists) status = files->Rename(path, former);
  if (status.ok()) status = files->Rename(birth, path);
  if (!status.ok()) {
    (void)files->Unlink(birth);
    return status.At(path);
  }
  return files->SyncDirectory(path.substr(0, path.rfind('/')));
}

int64_t Checkpoint::min_ms() const { return std::max<int64_t>(0, std::min(physic_ms, logics_ms) - kMarginMs); }

Status ReadCheckpoint(FileSystem* files, const StorePaths& paths, Checkpoint* checkpoint, bool* exists) {
  std::vector<uint8_t> bytes;
  MILLRACE_RETURN_IF_ERROR(ReadWhole(files, paths.checkpoint, kCheckpointBytes + 1, &bytes, exists));
  const bool longer = bytes.size() > kCheckpointBytes;
  bytes.resize(kCheckpointBytes);  // Java extends a short one with zeros
  *checkpoint = {GetI64(bytes.data()), GetI64(bytes.data() + 8), GetI64(bytes.data() + 16)};
  if (longer || checkpoint->physic_ms < 0 || checkpoint->logics_ms < 0 || checkpoint->index_ms < 0)
    return Status::Error(Code::kCorruptCheckpoint,
                         longer ? "is longer than the 4096 bytes of a checkpoint" : "has a time before 1970",
                         paths.checkpoint);
  return Status::Ok();
}

Status WriteCheckpoint(FileSystem* files, const StorePaths& paths, const Checkpoint& checkpoint) {
  std::vector<uint8_t> bytes;
  bool exists = false;
  MILLRACE_RETURN_IF_ERROR(ReadWhole(files, paths.checkpoint, kCheckpointBytes, &bytes, &exists));
  const bool whole = exists && bytes.size() == kCheckpointBytes;
  bytes.resize(kCheckpointBytes);
  Put64(bytes.data(), static_cast<uint64_t>(checkpoint.physic_ms));
  Put64(bytes.data() + 8, static_cast<uint64_t>(checkpoint.logics_ms));
  Put64(bytes.data() + 16, static_cast<uint64_t>(checkpoint.index_ms));
  if (!whole) return ReplaceWhole(files, paths.work, paths.checkpoint, bytes);
  int fd = -1;
  MILLRACE_RETURN_IF_ERROR(files->Open(paths.checkpoint, OpenMode::kReadWrite, &fd));
  Status status = files->Write(fd, bytes.data(), 24, 0);  // within one sector: old or new
  if (status.ok()) status = files->SyncData(fd);
  files->Close(fd);
  return status.At(paths.checkpoint);
}

PositionFile::~PositionFile() {
  if (fd_ >= 0) files_->Close(fd_);
}

Status PositionFile::Read(const Checkpoint& checkpoint, Position* position, bool* exists) {
  std::vector<uint8_t> bytes;
  MILLRACE_RETURN_IF_ERROR(ReadWhole(files_, path_, kSlotOffsets[1] + kSlotBytes, &bytes, exists));
  *exists = false;
  *position = {};
  int64_t newest = 0;
  for (const int64_t offset : kSlotOffsets) {
    if (bytes.size() < static_cast<size_t>(offset) + kPositionBytes) continue;
    const uint8_t* slot = bytes.data() + offset;
    if (Get64(slot) != kPositionMagic || Get32(slot + 64) != Crc32(slot, 64)) continue;
    const Position found{GetI64(slot + 8),
                         GetI64(slot + 16),
                         GetI64(slot + 24),
                         GetI32(slot + 32) != 0,
                         {GetI64(slot + 40), GetI64(slot + 48), GetI64(slot + 56)}};
    newest = std::max(newest, found.sequence);
    if (found.checkpoint != checkpoint || (*exists && found.sequence < position->sequence)) continue;
    *position = found;
    *exists = true;
  }
  // The next one goes over the slot that does not count.
  sequence_ = *exists ? position->sequence : newest;
  return Status::Ok();
}

Status PositionFile::Write(Position position) {
  if (fd_ < 0) {
    MILLRACE_RETURN_IF_ERROR(files_->Open(path_, OpenMode::kCreate, &fd_));
    Status status = files_->SetLength(fd_, kSlotOffsets[1] + static_cast<int64_t>(kSlotBytes));
    // Blocks from the start, so that a later write neither needs space nor changes what fdatasync has to follow.
    if (sequence_ == 0)
      for (const int64_t offset : kSlotOffsets)
        if (status.ok()) status = WriteZeros(files_, fd_, offset, offset + static_cast<int64_t>(kSlotBytes));
    if (status.ok()) status = files_->SyncFile(fd_);
    if (status.ok()) status = files_->SyncDirectory(directory_);
    if (!status.ok()) {
      files_->Close(fd_);
      fd_ = -1;
      return status.At(path_);
    }
  }
  position.sequence = sequence_ + 1;
  uint8_t slot[kSlotBytes] = {};
  Put64(slot, kPositionMagic);
  Put64(slot + 8, static_cast<uint64_t>(position.sequence));
  Put64(slot + 16, static_cast<uint64_t>(position.synced));
  Put64(slot + 24, static_cast<uint64_t>(position.dispatched));
  Put32(slot + 32, position.clean ? 1 : 0);
  Put64(slot + 40, static_cast<uint64_t>(position.checkpoint.physic_ms));
  Put64(slot + 48, static_cast<uint64_t>(position.checkpoint.logics_ms));
  Put64(slot + 56, static_cast<uint64_t>(position.checkpoint.index_ms));
  Put32(slot + 64, Crc32(slot, 64));
  Status status = files_->Write(fd_, slot, kSlotBytes, kSlotOffsets[position.sequence % 2]);
  if (status.ok()) status = files_->SyncData(fd_);
  if (!status.ok()) return status.At(path_);
  sequence_ = position.sequence;
  return status;
}

Status ReadQueueTable(FileSystem* files, const StorePaths& paths, QueueTable* table, bool* exists) {
  std::vector<uint8_t> bytes;
  MILLRACE_RETURN_IF_ERROR(ReadWhole(files, paths.queue_table, kMaxTableBytes, &bytes, exists));
  if (!*exists) return Status::Ok();
  *exists = false;
  if (bytes.size() < kTableHeaderBytes + 4 || Get64(bytes.data()) != kTableMagic) return Status::Ok();
  if (Get32(bytes.data() + bytes.size() - 4) != Crc32(bytes.data(), bytes.size() - 4)) return Status::Ok();
  table->dispatched = GetI64(bytes.data() + 8);
  table->index_end = GetI64(bytes.data() + 16);
  table->index_files = GetI64(bytes.data() + 24);
  const int64_t count = GetI64(bytes.data() + 32);
  const uint8_t *p = bytes.data() + kTableHeaderBytes, *end = bytes.data() + bytes.size() - 4;
  for (int64_t i = 0; i < count && end - p >= 33; i++) {
    const size_t topic_bytes = p[0];
    if (static_cast<size_t>(end - p) < 33 + topic_bytes) return Status::Ok();
    table->rows.push_back({std::string(reinterpret_cast<const char*>(p + 33), topic_bytes), GetI32(p + 1),
                           GetI64(p + 5), GetI64(p + 13), GetI64(p + 21), GetI32(p + 29)});
    p += 33 + topic_bytes;
  }
  *exists = true;
  return Status::Ok();
}

Status WriteQueueTable(FileSystem* files, const StorePaths& paths, const QueueTable& table) {
  std::vector<uint8_t> bytes(kTableHeaderBytes);
  Put64(bytes.data(), kTableMagic);
  Put64(bytes.data() + 8, static_cast<uint64_t>(table.dispatched));
  Put64(bytes.data() + 16, static_cast<uint64_t>(table.index_end));
  Put64(bytes.data() + 24, static_cast<uint64_t>(table.index_files));
  Put64(bytes.data() + 32, table.rows.size());
  for (const auto& row : table.rows) {
    const size_t at = bytes.size();
    bytes.resize(at + 33 + row.topic.size());
    uint8_t* p = bytes.data() + at;
    p[0] = static_cast<uint8_t>(row.topic.size());
    Put32(p + 1, static_cast<uint32_t>(row.queue_id));
    Put64(p + 5, static_cast<uint64_t>(row.min_offset));
    Put64(p + 13, static_cast<uint64_t>(row.max_offset));
    Put64(p + 21, static_cast<uint64_t>(row.last_log_offset));
    Put32(p + 29, static_cast<uint32_t>(row.last_size));
    memcpy(p + 33, row.topic.data(), row.topic.size());
  }
  const uint32_t crc = Crc32(bytes.data(), bytes.size());
  bytes.resize(bytes.size() + 4);
  Put32(bytes.data() + bytes.size() - 4, crc);
  return ReplaceWhole(files, paths.work, paths.queue_table, bytes);
}

}  // namespace millrace
