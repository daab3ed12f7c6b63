// All index files of a store: which one takes the next entry, and what is made when it is full.
#include <sys/time.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "index_file.h"

namespace millrace {

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
  directory_dirty_ = options_.writable && !list.empty();
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
  if (!list_.empty()) {
    IndexFile& last = *list_.back();
    MILLRACE_RETURN_IF_ERROR(last.Readable());
    const int64_t room = std::min<int64_t>(keys, last.sizes().entries - last.next());
    MILLRACE_RETURN_IF_ERROR(last.Reserve(room));
    keys -= room;
  }
  for (size_t i = 0; keys > 0; i++) {
    if (i == next_.size()) MILLRACE_RETURN_IF_ERROR(MakeNext());
    const int64_t room = std::min<int64_t>(keys, options_.sizes.entries - 1);
    MILLRACE_RETURN_IF_ERROR(next_[i]->Reserve(room));
    keys -= room;
  }
  return Status::Ok();
}

Status IndexFiles::MakeNext() {
  MILLRACE_RETURN_IF_ERROR(files_->MakeDirectory(options_.paths.index));
  auto made = std::make_shared<IndexFile>(files_, options_.paths.index + "/" + NewName(), options_.sizes, true);
  MILLRACE_RETURN_IF_ERROR(made->Create(options_.paths.work + "/index-" + last_name_));
  // In its place before the log takes a record that needs it: from here on nothing can fail. Java takes an index file
  // without an entry as one.
  MILLRACE_RETURN_IF_ERROR(made->PutInPlace());
  directory_dirty_ = true;
  next_.push_back(std::move(made));
  return Status::Ok();
}

void IndexFiles::Roll() {
  const std::shared_ptr<IndexFile> next = std::move(next_.front());
  next_.pop_front();
  if (!list_.empty()) next->SetPrevious(list_.back()->end_log_offset(), list_.back()->end_timestamp());
  std::lock_guard lock(mutex_);
  list_.push_back(next);
}

void IndexFiles::Put(int32_t hash, int64_t log_offset, int64_t store_timestamp) {
  if (!options_.enabled) return;
  if (!list_.empty() && list_.back()->Put(hash, log_offset, store_timestamp)) return;
  Roll();
  list_.back()->Put(hash, log_offset, store_timestamp);
}

int64_t IndexFiles::end_log_offset() const {
  for (auto it = list_.rbegin(); it != list_.rend(); ++it)
    if ((*it)->next() > 1) return (*it)->end_log_offset();  // one made ahead may be empty
  return -1;
}

Status IndexFiles::CutBack(int64_t log_offset) {
  std::vector<std::shared_ptr<IndexFile>> kept;
  const auto empty = [&](const auto& file) { return file->next() <= 1 || file->begin_log_offset() >= log_offset; };
  const auto last = std::find_if_not(list_.rbegin(), list_.rend(), empty);
  for (const auto& file : list_) {
    if (empty(file)) {
      MILLRACE_RETURN_IF_ERROR(files_->Unlink(file->path()));
      directory_dirty_ = true;
      continue;
    }
    kept.push_back(file);
    if (file->end_log_offset() >= log_offset || file == *last) MILLRACE_RETURN_IF_ERROR(file->CutBack(log_offset));
  }
  std::lock_guard lock(mutex_);
  list_ = std::move(kept);
  first_unsynced_ = 0;
  return Status::Ok();
}

std::vector<std::shared_ptr<IndexFile>> IndexFiles::Expire(int64_t log_offset) {
  std::lock_guard lock(mutex_);
  auto kept = list_.begin();
  while (list_.end() - kept > 1 && (*kept)->end_log_offset() < log_offset) kept++;
  std::vector<std::shared_ptr<IndexFile>> expired(list_.begin(), kept);
  list_.erase(list_.begin(), kept);
  first_unsynced_ -= std::min(first_unsynced_, expired.size());
  return expired;
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
    // Before there are new ones: a power cut must not bring the old ones back beside them.
    if (!entries.empty()) MILLRACE_RETURN_IF_ERROR(files_->SyncDirectory(options_.paths.index));
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
  if (!directory_dirty_.exchange(false)) return Status::Ok();
  Status status = files_->SyncDirectory(options_.paths.index);
  if (status.ok()) status = files_->SyncDirectory(options_.paths.root);
  if (!status.ok()) directory_dirty_ = true;
  return status;
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

Status IndexFiles::Query(std::string_view topic, std::string_view key, size_t limit, int64_t begin, int64_t end,
                         std::vector<int64_t>* out) const {
  const int32_t hash = IndexKeyHash(topic, key);
  const auto list = files();
  for (auto it = list.rbegin(); it != list.rend() && out->size() < limit; ++it) {
    const IndexFile& file = **it;
    if (file.next() <= 1) continue;  // made ahead
    const int64_t first = file.begin_timestamp(), last = file.end_timestamp();
    MILLRACE_RETURN_IF_ERROR(file.Readable());
    if (first <= end && last >= begin) MILLRACE_RETURN_IF_ERROR(file.Query(hash, limit, begin, end, out));
    if (first < begin) break;
  }
  return Status::Ok();
}

}  // namespace millrace
