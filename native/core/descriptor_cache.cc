#include "descriptor_cache.h"

namespace millrace {

bool DescriptorCache::Find(const Key& key, std::shared_ptr<Holder>* out) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return false;
  recent_.splice(recent_.begin(), recent_, found->second.position);
  *out = found->second.holder;
  return true;
}

Status DescriptorCache::Open(const Key& key, const std::string& path, bool writable, std::shared_ptr<Holder>* out) {
  int fd = -1;
  MILLRACE_RETURN_IF_ERROR(files_->Open(path, writable ? OpenMode::kReadWrite : OpenMode::kRead, &fd));
  *out = std::make_shared<Holder>(files_, fd);
  recent_.push_front(key);
  entries_[key] = {*out, recent_.begin()};
  while (entries_.size() > limit_) {
    entries_.erase(recent_.back());
    recent_.pop_back();
  }
  return Status::Ok();
}

void DescriptorCache::Drop(const Key& key) {
  std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(key); found != entries_.end()) {
    recent_.erase(found->second.position);
    entries_.erase(found);
  }
}

void DescriptorCache::Clear() {
  std::lock_guard lock(mutex_);
  entries_.clear();
  recent_.clear();
}

}  // namespace millrace
