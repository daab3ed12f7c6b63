#include "store_lock.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace millrace {

Status LockedBy(const std::string& what, int64_t process) {
  return Status::Error(Code::kStoreLocked,
                       process > 0 ? "is open in process " + std::to_string(process) : "is open elsewhere", what,
                       process);
}

Status StoreLock::Take(FileSystem* files, const std::string& path, const std::string& what) {
  int fd = -1;
  MILLRACE_RETURN_IF_ERROR(files->Open(path, OpenMode::kCreate, &fd));
  bool taken = false;
  int64_t holder = 0;
  Status status = files->Lock(fd, &taken, &holder);
  if (status.ok() && taken) {
    files_ = files;
    fd_ = fd;
    return status;
  }
  if (status.ok()) {
    char text[32] = {};
    size_t got = 0;
    // The kernel names the holder of Java's kind of lock; the holder of ours has signed, unless it is still recovering:
    // then one before it may have, that died.
    if (holder == 0 && files->Read(fd, text, sizeof text - 1, 4, &got).ok()) holder = strtoll(text, nullptr, 10);
    if (holder > 0 && kill(static_cast<pid_t>(holder), 0) != 0 && errno == ESRCH) holder = 0;
    status = LockedBy(what, holder);
  }
  files->Close(fd);
  return status.At(path);
}

Status StoreLock::Sign() {
  const std::string text = "lock" + std::to_string(getpid()) + "\n";
  MILLRACE_RETURN_IF_ERROR(files_->SetLength(fd_, 0));
  signed_ = true;
  return files_->Write(fd_, text.data(), text.size(), 0);
}

void StoreLock::Release() {
  if (fd_ < 0) return;
  if (signed_) (void)files_->SetLength(fd_, 4);  // the next owner, until it signs, must not be taken for this one
  files_->Unlock(fd_);
  files_->Close(fd_);
  fd_ = -1;
}

}  // namespace millrace
