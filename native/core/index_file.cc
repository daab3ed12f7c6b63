#include "index_file.h"

#include <sys/time.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "record.h"
#include "zeros.h"

namespace millrace {

namespace {
constexpr int64_t kReserveStepBytes = 4 << 20;
}

bool IndexSizes::FromLength(int64_t bytes, IndexSizes* sizes) {
  constexpr int64_t kBytesASlot = kIndexSlotBytes + 4 * kIndexEntryBytes;  // a slot and its four entries
  const int64_t slots = (bytes - kIndexHeaderBytes) / kBytesASlot;
  if (slots <= 0 || slots > INT32_MAX / 4 || kIndexHeaderBytes + slots * kBytesASlot != bytes) return false;
  sizes->slots = static_cast<int32_t>(slots);
  sizes->entries = static_cast<int32_t>(4 * slots);
  return true;
}

int32_t IndexKeyHash(std::string_view topic, std::string_view key) {
  // String.hashCode of a concatenation is h(topic) * 31^n + ...; the parts are short, so the text is built on the stack
  // where it fits.
  char text[512];
  int32_t hash;
  if (topic.size() + 1 + key.size() <= sizeof text) {
    memcpy(text, topic.data(), topic.size());
    text[topic.size()] = '#';
    memcpy(text + topic.size() + 1, key.data(), key.size());
    hash = JavaHash({text, topic.size() + 1 + key.size()});
  } else {
    std::string joined(topic);
    joined.append("#").append(key);
    hash = JavaHash(joined);
  }
  return hash == INT32_MIN ? 0 : std::abs(hash);
}

IndexFile::IndexFile(FileSystem* files, std::string path, IndexSizes sizes, bool writable)
    : files_(files), path_(std::move(path)), sizes_(sizes), writable_(writable) {}

IndexFile::~IndexFile() {
  guard_.Remove();
  if (base_ != nullptr) files_->Unmap(base_, static_cast<size_t>(sizes_.file_bytes()));
  if (fd_ >= 0) files_->Close(fd_);
}

Status IndexFile::Map() {
  Status status = files_->Map(fd_, static_cast<size_t>(sizes_.file_bytes()), writable_, &base_);
  if (status.ok() && !guard_.Add(base_, static_cast<size_t>(sizes_.file_bytes())))
    status = Status::Error(Code::kUnknownError, "the process has 65,536 guarded mappings open already");
  if (!status.ok()) return status.At(path_);
  files_->ExpectRandom(base_, static_cast<size_t>(sizes_.file_bytes()));
  return status;
}

Status IndexFile::Open() {
  MILLRACE_RETURN_IF_ERROR(files_->Open(path_, writable_ ? OpenMode::kReadWrite : OpenMode::kRead, &fd_));
  MILLRACE_RETURN_IF_ERROR(Map());
  // A writer touches the slots at random, on whatever thread it runs.
  if (writable_) files_->StartRead(fd_, 0, kIndexHeaderBytes + kIndexSlotBytes * sizes_.slots);
  // What neither a writer nor a crash leaves behind. (With a count of 0 the first page has never reached the disk.)
  const int32_t used = GetI32(base_ + 32), next = GetI32(base_ + 36);
  if (used < 0 || used > sizes_.entries || next < 0 || next > sizes_.entries || begin_log_offset() < 0 ||
      end_log_offset() < 0)
    return Status::Error(Code::kCorruptIndex,
                         "cannot have entries from log offset " + std::to_string(begin_log_offset()) + " to " +
                             std::to_string(end_log_offset()) + ", " + std::to_string(used) +
                             " used slots and the next entry's number " + std::to_string(next) + " of " +
                             std::to_string(sizes_.entries),
                         path_);
  next_ = std::max(next, 1);
  return Readable();
}

Status IndexFile::Create(const std::string& birth_path) {
  MILLRACE_RETURN_IF_ERROR(files_->Unlink(birth_path));
  MILLRACE_RETURN_IF_ERROR(files_->Open(birth_path, OpenMode::kCreateNew, &fd_));
  birth_path_ = birth_path;
  Status status = files_->SetLength(fd_, sizes_.file_bytes());
  // The slots are touched at random from the first entry on: all of their blocks at once.
  const int64_t slots_end = kIndexHeaderBytes + kIndexSlotBytes * sizes_.slots;
  if (status.ok()) status = files_->Reserve(fd_, 0, slots_end);
  // A name that reached the disk before the length would be a file that nobody opens.
  if (status.ok()) status = files_->SyncFile(fd_);
  reserved_ = slots_end;
  if (status.ok()) status = Map();
  if (!status.ok()) {
    (void)files_->Unlink(birth_path);
    return status.At(birth_path);
  }
  Present(0, slots_end);
  Put32(base_ + 36, 1);
  return status;
}

// Makes the pages of reserved bytes at once, in large ones, instead of by a fault each. Where it fails, they fault.
void IndexFile::Present(int64_t from, int64_t to) {
  if (from < to && WriteZeros(files_, fd_, from, to).ok())
    files_->Populate(base_ + from, static_cast<size_t>(to - from));
}

Status IndexFile::PutInPlace() {
  if (birth_path_.empty()) return Status::Ok();
  MILLRACE_RETURN_IF_ERROR(files_->Rename(birth_path_, path_));
  birth_path_.clear();
  return Status::Ok();
}

Status IndexFile::Reserve(int64_t entries) {
  const int64_t end = EntryAt(next()) - base_, needed = std::min(sizes_.file_bytes(), end + entries * kIndexEntryBytes);
  if (needed <= reserved_) return Status::Ok();
  const int64_t wanted = std::min(sizes_.file_bytes(), std::max(needed, reserved_ + kReserveStepBytes));
  int64_t got = wanted;
  Status status = files_->Reserve(fd_, reserved_, wanted - reserved_);
  if (status.code == Code::kDiskFull) {
    got = needed;
    status = files_->Reserve(fd_, reserved_, got - reserved_);
  }
  if (!status.ok()) return status.At(path_);
  Present(std::max(reserved_, end), got);  // a file that was opened has entries before `end`
  reserved_ = got;
  return status;
}

void IndexFile::SetPrevious(int64_t end_log_offset, int64_t end_timestamp) {
  if (end_log_offset > 0) {
    Store64(base_ + 16, static_cast<uint64_t>(end_log_offset));
    Store64(base_ + 24, static_cast<uint64_t>(end_log_offset));
  }
  if (end_timestamp > 0) {
    Store64(base_, static_cast<uint64_t>(end_timestamp));
    Store64(base_ + 8, static_cast<uint64_t>(end_timestamp));
  }
}

bool IndexFile::Put(int32_t hash, int64_t log_offset, int64_t store_timestamp) {
  const int32_t number = next();
  if (number >= sizes_.entries) return false;
  uint8_t* const slot = SlotAt(hash);
  int32_t previous = GetI32(slot);
  if (previous <= 0 || previous >= number) previous = 0;
  // Java computes entry 1's seconds against the file before; 0 is compatible and right.
  const int64_t begin = number > 1 ? begin_timestamp() : store_timestamp;
  const int64_t seconds = begin <= 0 ? 0 : std::clamp<int64_t>((store_timestamp - begin) / 1000, 0, INT32_MAX);
  uint8_t* const entry = EntryAt(number);
  Put32(entry, static_cast<uint32_t>(hash));
  Put64(entry + 4, static_cast<uint64_t>(log_offset));
  Put32(entry + 12, static_cast<uint32_t>(seconds));
  Put32(entry + 16, static_cast<uint32_t>(previous));
  if (number == 1) {
    Store64(base_, static_cast<uint64_t>(store_timestamp));
    Store64(base_ + 16, static_cast<uint64_t>(log_offset));
  }
  if (previous == 0) Put32(base_ + 32, Get32(base_ + 32) + 1);
  Store64(base_ + 8, static_cast<uint64_t>(store_timestamp));
  Store64(base_ + 24, static_cast<uint64_t>(log_offset));
  // A reader takes the slot only when its number is below the count, so the count may move first or last; the entry
  // must be whole before either.
  Store32(slot, static_cast<uint32_t>(number));
  WriteNext(number + 1);
  return true;
}

IndexFile::Entry IndexFile::ReadEntry(int32_t number) const {
  const uint8_t* entry = EntryAt(number);
  return {GetI32(entry), GetI64(entry + 4), GetI32(entry + 12), GetI32(entry + 16)};
}

Status IndexFile::Readable() const {
  return guard_.damaged() ? Status::Error(Code::kPageUnreadable, "a page of the index can't be read", path_)
                          : Status::Ok();
}

Status IndexFile::Query(int32_t hash, size_t limit, int64_t begin, int64_t end, std::vector<int64_t>* out) const {
  const auto count = static_cast<int32_t>(Load32(base_ + 36));
  auto number = static_cast<int32_t>(Load32(SlotAt(hash)));
  const int64_t base_time = begin_timestamp();
  const int32_t last = std::min(count, sizes_.entries - 1);
  for (int32_t steps = 0; number > 0 && number <= last && steps < sizes_.entries && out->size() < limit; steps++) {
    const Entry entry = ReadEntry(number);
    if (entry.seconds < 0) break;
    const int64_t time = base_time + static_cast<int64_t>(entry.seconds) * 1000;
    if (entry.hash == hash && time >= begin && time <= end) out->push_back(entry.log_offset);
    // Numbers fall along a chain; anything else is damage (or Java's self-reference) and would loop.
    if (entry.previous >= number || time < begin) break;
    number = entry.previous;
  }
  return Readable();
}

Status IndexFile::CutBack(int64_t log_offset) {
  const int32_t count = next();
  int32_t kept = 1;
  int64_t last_offset = -1;
  while (kept < count) {
    const Entry entry = ReadEntry(kept);
    // Offsets rise (one record may have several keys); what does not is not an entry that was ever written whole.
    if (entry.log_offset >= log_offset || entry.log_offset < last_offset || entry.hash < 0 || entry.seconds < 0) break;
    // Behind the first record's entries the page that never reached the disk looks like another one of it.
    if (entry.log_offset == 0 && entry.hash == 0) break;
    last_offset = entry.log_offset;
    kept++;
  }
  memset(base_ + kIndexHeaderBytes, 0, static_cast<size_t>(kIndexSlotBytes) * static_cast<size_t>(sizes_.slots));
  uint32_t used = 0;
  for (int32_t number = 1; number < kept; number++) {
    uint8_t* const entry = EntryAt(number);
    uint8_t* const slot = SlotAt(GetI32(entry));
    const uint32_t previous = Get32(slot);
    if (previous == 0) used++;
    Put32(entry + 16, previous);
    Put32(slot, static_cast<uint32_t>(number));
  }
  Put32(base_ + 32, used);
  WriteNext(kept);
  if (kept > 1) {
    const Entry last = ReadEntry(kept - 1);
    Store64(base_ + 8, static_cast<uint64_t>(begin_timestamp() + static_cast<int64_t>(last.seconds) * 1000));
    Store64(base_ + 24, static_cast<uint64_t>(last.log_offset));
  }
  return Readable();
}

Status IndexFile::Sync() {
  MILLRACE_RETURN_IF_ERROR(Readable());  // what was put since a page could not be read is nowhere
  Status status = files_->SyncData(fd_);
  if (!status.ok()) {
    status.At(path_);
    status.code = Code::kSyncFailed;  // must not be tried again
  }
  return status;
}

}  // namespace millrace
