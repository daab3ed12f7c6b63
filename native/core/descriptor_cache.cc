#include "descriptor_cache.h"

#include <mutex>

namespace millrace {

bool DescriptorCache::Find(const Key& key, std::shared_ptr<Holder>* out) {
  std::lock_guard lock(lock_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return false;
  if (found->second.position != recent_.begin()) recent_.splice(recent_.begin(), recent_, found->second.position);
  *out = found->second.holder;
  return true;
}

Status DescriptorCache::Open(const Key& key, const std::string& path, bool writable, std::shared_ptr<Holder>* out) {
  std::lock_guard opening(opening_);
  if (Find(key, out)) return Status::Ok();  // another thread was here
  int fd = -1;
  MILLRACE_RETURN_IF_ERROR(files_->Open(path, writable ? OpenMode::kReadWrite : OpenMode::kRead, &fd));
  *out = std::make_shared<Holder>(files_, fd);
  std::shared_ptr<Holder> leaving;  // closed without the lock
  std::lock_guard lock(lock_);
  recent_.push_front(key);
  entries_[key] = {*out, recent_.begin()};
  if (entries_.size() > limit_) {
    const auto oldest = entries_.find(recent_.back());
    leaving = std::move(oldest->second.holder);
    entries_.erase(oldest);
    recent_.pop_back();
  }
  return Status::Ok();
}

void DescriptorCache::Drop(const Key& key) {
  std::lock_guard opening(opening_);  // who opens it now must not leave it behind
  std::shared_ptr<Holder> leaving;
  std::lock_guard lock(lock_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  leaving = std::move(found->second.holder);
  recent_.erase(found->second.position);
  entries_.erase(found);
}

void DescriptorCache::Clear() {
  std::lock_guard opening(opening_);
  std::unordered_map<Key, Entry, KeyHash> leaving;
  std::lock_guard lock(lock_);
  leaving.swap(entries_);
  recent_.clear();
}

}  // namespace millrace
