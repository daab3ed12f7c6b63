#include "index_file.h"

#include <sys/time.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "record.h"

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
  if (!status.ok()) status.path = path_;
  return status;
}

Status IndexFile::Open() {
  MILLRACE_RETURN_IF_ERROR(files_->Open(path_, writable_ ? OpenMode::kReadWrite : OpenMode::kRead, &fd_));
  MILLRACE_RETURN_IF_ERROR(Map());
  next_ = std::clamp(GetI32(base_ + 36), 1, sizes_.entries);
  return Status::Ok();
}

Status IndexFile::Create(const std::string& birth_path) {
  MILLRACE_RETURN_IF_ERROR(files_->Unlink(birth_path));
  MILLRACE_RETURN_IF_ERROR(files_->Open(birth_path, OpenMode::kCreateNew, &fd_));
  birth_path_ = birth_path;
  Status status = files_->SetLength(fd_, sizes_.file_bytes());
  // The slots are touched at random from the first entry on: all of their blocks at once.
  const int64_t slots_end = kIndexHeaderBytes + kIndexSlotBytes * sizes_.slots;
  if (status.ok()) status = files_->Reserve(fd_, 0, slots_end);
  reserved_ = slots_end;
  if (status.ok()) status = Map();
  if (!status.ok()) {
    (void)files_->Unlink(birth_path);
    status.path = birth_path;
    return status;
  }
  files_->Populate(base_, static_cast<size_t>(slots_end));
  Put32(base_ + 36, 1);
  return status;
}

Status IndexFile::PutInPlace() {
  if (birth_path_.empty()) return Status::Ok();
  MILLRACE_RETURN_IF_ERROR(files_->Rename(birth_path_, path_));
  birth_path_.clear();
  return Status::Ok();
}

Status IndexFile::Reserve(int64_t entries) {
  const int64_t needed = std::min(sizes_.file_bytes(), EntryAt(next()) - base_ + entries * kIndexEntryBytes);
  if (needed <= reserved_) return Status::Ok();
  const int64_t wanted = std::min(sizes_.file_bytes(), std::max(needed, reserved_ + kReserveStepBytes));
  int64_t got = wanted;
  Status status = files_->Reserve(fd_, reserved_, wanted - reserved_);
  if (status.code == Code::kDiskFull) {
    got = needed;
    status = files_->Reserve(fd_, reserved_, got - reserved_);
  }
  if (!status.ok()) {
    status.path = path_;
    return status;
  }
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

void IndexFile::Query(int32_t hash, size_t limit, int64_t begin, int64_t end, std::vector<int64_t>* out) const {
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
}

Status IndexFile::CutBack(int64_t log_offset) {
  const int32_t count = next();
  int32_t kept = 1;
  int64_t last_offset = -1;
  while (kept < count) {
    const Entry entry = ReadEntry(kept);
    // Offsets rise (one record may have several keys); what does not is not an entry that was ever written whole.
    if (entry.log_offset >= log_offset || entry.log_offset < last_offset || entry.hash < 0 || entry.seconds < 0) break;
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
  if (damaged()) return Status::Error(Code::kPageUnreadable, "a page of the index can't be read", path_);
  return Status::Ok();
}

Status IndexFile::Sync() {
  Status status = files_->SyncData(fd_);
  if (!status.ok()) status.path = path_;
  return status;
}

// ---------------------------------------------------------------------------------------------------------------------------------------

Status IndexFiles::Load() {
  bool exists = false;
  MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, options_.paths.index, false, &exists));
  if (!exists) return Status::Ok();
  std::vector<DirectoryEntry> entries;
  MILLRACE_RETURN_IF_ERROR(files_->List(options_.paths.index, &entries));
  std::vector<std::shared_ptr<IndexFile>> list;
  for (const auto& entry : entries) {
    const bool numeric = !entry.name.empty() &&
                         std::all_of(entry.name.begin(), entry.name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!numeric) continue;  // Java skips it too
    const std::string path = options_.paths.index + "/" + entry.name;
    if (entry.kind != DirectoryEntry::Kind::kFile)
      return Status::Error(Code::kUnsafePath, "is no ordinary file among the index files", path);
    FileInfo info;
    MILLRACE_RETURN_IF_ERROR(files_->Stat(path, &info, &exists));
    if (!exists) continue;
    if (info.bytes == 0 && &entry == &entries.back()) {
      empty_last_ = path;
      continue;
    }
    if (list.empty() && !options_.sizes_given && IndexSizes::FromLength(info.bytes, &options_.sizes))
      options_.sizes_given = true;
    if (info.bytes != options_.sizes.file_bytes())
      return Status::Error(Code::kIndexSizeUnknown,
                           "has " + std::to_string(info.bytes) + " bytes; maxHashSlotNum " +
                               std::to_string(options_.sizes.slots) + " and maxIndexNum " +
                               std::to_string(options_.sizes.entries) + " make " +
                               std::to_string(options_.sizes.file_bytes()),
                           path, info.bytes);
    auto file = std::make_shared<IndexFile>(files_, path, options_.sizes, options_.writable);
    MILLRACE_RETURN_IF_ERROR(file->Open());
    list.push_back(std::move(file));
    last_name_ = std::max(last_name_, entry.name);
  }
  std::lock_guard lock(mutex_);
  list_ = std::move(list);
  return Status::Ok();
}

// The local time to the millisecond, as Java names a file; later than any name there is.
std::string IndexFiles::NewName() {
  timeval now;
  gettimeofday(&now, nullptr);
  int64_t ms = static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_usec / 1000;
  std::string name;
  do {
    const time_t seconds = ms / 1000;
    tm local;
    localtime_r(&seconds, &local);
    char text[64];
    snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02d%03d", local.tm_year + 1900, local.tm_mon + 1, local.tm_mday,
             local.tm_hour, local.tm_min, local.tm_sec, static_cast<int>(ms % 1000));
    name = text;
    ms++;
  } while (name == last_name_);
  if (name < last_name_) {
    // The clock or its time zone went back: count on from the last name, so that the order of names stays that of the
    // files.
    unsigned long long number = strtoull(last_name_.c_str(), nullptr, 10);
    name = std::to_string(number + 1);
  }
  last_name_ = name;
  return name;
}

Status IndexFiles::Prepare(int64_t keys) {
  if (!options_.enabled || keys == 0) return Status::Ok();
  const std::shared_ptr<IndexFile> last = list_.empty() ? nullptr : list_.back();
  const int64_t room = last ? last->sizes().entries - last->next() : 0;
  if (room > 0) MILLRACE_RETURN_IF_ERROR(last->Reserve(std::min(room, keys)));
  if (room >= keys) return Status::Ok();
  if (!next_) {
    MILLRACE_RETURN_IF_ERROR(files_->MakeDirectory(options_.paths.index));
    auto made = std::make_shared<IndexFile>(files_, options_.paths.index + "/" + NewName(), options_.sizes, true);
    MILLRACE_RETURN_IF_ERROR(made->Create(options_.paths.work + "/index-" + last_name_));
    // In its place before the log takes a record that needs it: from here on nothing can fail. Java takes an index file
    // without an entry as one.
    MILLRACE_RETURN_IF_ERROR(made->PutInPlace());
    directory_dirty_ = true;
    next_ = std::move(made);
  }
  return next_->Reserve(std::min<int64_t>(options_.sizes.entries - 1, keys - room));
}

Status IndexFiles::Roll() {
  std::shared_ptr<IndexFile> made = std::move(next_);
  if (!made) {
    // More keys than one file holds in one append: made here, without the reservation that Prepare gives.
    made = std::make_shared<IndexFile>(files_, options_.paths.index + "/" + NewName(), options_.sizes, true);
    MILLRACE_RETURN_IF_ERROR(made->Create(options_.paths.work + "/index-" + last_name_));
  }
  if (!list_.empty()) made->SetPrevious(list_.back()->end_log_offset(), list_.back()->end_timestamp());
  if (!made->in_place()) {
    MILLRACE_RETURN_IF_ERROR(made->PutInPlace());
    directory_dirty_ = true;
  }
  std::lock_guard lock(mutex_);
  list_.push_back(std::move(made));
  return Status::Ok();
}

void IndexFiles::Put(int32_t hash, int64_t log_offset, int64_t store_timestamp) {
  if (!options_.enabled) return;
  if (!list_.empty() && list_.back()->Put(hash, log_offset, store_timestamp)) return;
  if (Roll().ok()) list_.back()->Put(hash, log_offset, store_timestamp);
}

int64_t IndexFiles::end_log_offset() const {
  for (auto it = list_.rbegin(); it != list_.rend(); ++it)
    if ((*it)->next() > 1) return (*it)->end_log_offset();  // one made ahead may be empty
  return -1;
}

Status IndexFiles::CutBack(int64_t log_offset) {
  std::vector<std::shared_ptr<IndexFile>> kept;
  for (const auto& file : list_) {
    if (file->next() <= 1 || file->begin_log_offset() >= log_offset) {
      MILLRACE_RETURN_IF_ERROR(files_->Unlink(file->path()));
      directory_dirty_ = true;
      continue;
    }
    kept.push_back(file);
    if (file->end_log_offset() >= log_offset || file == list_.back())
      MILLRACE_RETURN_IF_ERROR(file->CutBack(log_offset));
  }
  std::lock_guard lock(mutex_);
  list_ = std::move(kept);
  first_unsynced_ = 0;
  return Status::Ok();
}

Status IndexFiles::RemoveAll() {
  std::vector<DirectoryEntry> entries;
  bool exists = false;
  MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, options_.paths.index, false, &exists));
  if (exists) {
    MILLRACE_RETURN_IF_ERROR(files_->List(options_.paths.index, &entries));
    for (const auto& entry : entries)
      if (entry.kind == DirectoryEntry::Kind::kFile)
        MILLRACE_RETURN_IF_ERROR(files_->Unlink(options_.paths.index + "/" + entry.name));
  }
  std::lock_guard lock(mutex_);
  list_.clear();
  first_unsynced_ = 0;
  return Status::Ok();
}

Status IndexFiles::Sync() {
  std::vector<std::shared_ptr<IndexFile>> list;
  size_t from;
  {
    std::lock_guard lock(mutex_);
    list = list_;
    from = std::min(first_unsynced_, list.size());
  }
  for (size_t i = from; i < list.size(); i++) MILLRACE_RETURN_IF_ERROR(list[i]->Sync());
  {
    std::lock_guard lock(mutex_);  // the last file goes on; those before it are full
    first_unsynced_ = list.empty() ? 0 : list.size() - 1;
  }
  if (directory_dirty_.exchange(false)) {
    MILLRACE_RETURN_IF_ERROR(files_->SyncDirectory(options_.paths.index));
    MILLRACE_RETURN_IF_ERROR(files_->SyncDirectory(options_.paths.root));
  }
  return Status::Ok();
}

int64_t IndexFiles::full_until_timestamp() const {
  const auto list = files();
  for (auto it = list.rbegin(); it != list.rend(); ++it)
    if ((*it)->full()) return (*it)->end_timestamp();
  return 0;
}

std::vector<std::shared_ptr<IndexFile>> IndexFiles::files() const {
  std::lock_guard lock(mutex_);
  return list_;
}

std::vector<int64_t> IndexFiles::Query(std::string_view topic, std::string_view key, size_t limit, int64_t begin,
                                       int64_t end) const {
  std::vector<int64_t> offsets;
  const int32_t hash = IndexKeyHash(topic, key);
  const auto list = files();
  for (auto it = list.rbegin(); it != list.rend() && offsets.size() < limit; ++it) {
    const IndexFile& file = **it;
    const int64_t first = file.begin_timestamp(), last = file.end_timestamp();
    if (first <= end && last >= begin) file.Query(hash, limit, begin, end, &offsets);
    if (first < begin) break;
  }
  return offsets;
}

}  // namespace millrace
