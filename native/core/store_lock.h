// The lock of a store's directory: byte 0 of the file `lock`, which a Java broker takes as well, and behind Java's four
// bytes the process that has it.
#pragma once

#include <string>

#include "file_system.h"
#include "status.h"

namespace millrace {

class StoreLock {
 public:
  StoreLock() = default;
  ~StoreLock() { Release(); }
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

  // Opens `path` and locks it; no byte of an existing file is changed. kStoreLocked names `what` and, as its offset,
  // the process that has it where that is known (0 otherwise).
  Status Take(FileSystem* files, const std::string& path, const std::string& what);
  // Writes down that this process has it.
  Status Sign();
  // Gives it back, once, and its signature with it.
  void Release();

 private:
  FileSystem* files_ = nullptr;
  int fd_ = -1;
  bool signed_ = false;
};

// kStoreLocked, naming what is locked and by which process (0: not known).
Status LockedBy(const std::string& what, int64_t process);

}  // namespace millrace
