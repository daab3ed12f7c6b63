#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "file_system.h"
#include "spin_lock.h"

namespace millrace {

// Open descriptors of queue files, the least recently used closed when there are too many. Thread-safe.
class DescriptorCache {
 public:
  DescriptorCache(FileSystem* files, size_t limit) : files_(files), limit_(limit) {}
  struct Holder {
    FileSystem* const files;
    const int fd;
    Holder(FileSystem* opener, int opened) : files(opener), fd(opened) {}
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;
    ~Holder() { files->Close(fd); }
  };
  // A file is known by its queue and number, so that a rename does not matter; `path` is asked only when it is not
  // open.
  struct Key {
    const void* queue;
    int64_t file;
    bool operator==(const Key&) const = default;
  };
  template <typename PathOf>
  Status Get(const Key& key, const PathOf& path, bool writable, std::shared_ptr<Holder>* out) {
    return Find(key, out) ? Status::Ok() : Open(key, path(), writable, out);
  }
  void Drop(const Key& key);
  void Clear();

 private:
  bool Find(const Key& key, std::shared_ptr<Holder>* out);
  Status Open(const Key& key, const std::string& path, bool writable, std::shared_ptr<Holder>* out);

  struct KeyHash {
    size_t operator()(const Key& key) const {
      return std::hash<const void*>()(key.queue) * 31 + static_cast<size_t>(key.file);
    }
  };
  struct Entry {
    std::shared_ptr<Holder> holder;
    std::list<Key>::iterator position;
  };
  FileSystem* const files_;
  const size_t limit_;
  std::mutex opening_;  // while a file is opened or dropped; before lock_
  SpinLock lock_;
  std::list<Key> recent_;  // newest first
  std::unordered_map<Key, Entry, KeyHash> entries_;
};

}  // namespace millrace
