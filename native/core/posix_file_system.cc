// FileSystem over system calls. Interrupted calls are retried here; what differs by platform is in platform.cc.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "file_system.h"
#include "platform.h"

namespace millrace {
namespace {

DirectoryEntry::Kind KindOf(mode_t mode) {
  if (S_ISREG(mode)) return DirectoryEntry::Kind::kFile;
  if (S_ISDIR(mode)) return DirectoryEntry::Kind::kDirectory;
  if (S_ISLNK(mode)) return DirectoryEntry::Kind::kLink;
  return DirectoryEntry::Kind::kOther;
}

// A descriptor has no name of its own; an error says which call failed, and the caller knows the file.
Status Failed(const char* call, int error_number) { return Status::System(call, {}, error_number); }

Status FromErrno(const char* call, int error_number) {
  return error_number == 0 ? Status::Ok() : Failed(call, error_number);
}

class Posix final : public FileSystem {
 public:
  Status Open(const std::string& path, OpenMode mode, int* fd) override {
    int flags = O_CLOEXEC | O_NOFOLLOW;
    if (mode == OpenMode::kRead) flags |= O_RDONLY;
    if (mode == OpenMode::kReadWrite) flags |= O_RDWR;
    if (mode == OpenMode::kCreate) flags |= O_RDWR | O_CREAT;
    if (mode == OpenMode::kCreateNew) flags |= O_RDWR | O_CREAT | O_EXCL;
    do {
      *fd = open(path.c_str(), flags, 0644);
    } while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? Status::System("open", path, errno) : Status::Ok();
  }

  void Close(int fd) override { close(fd); }

  Status SetLength(int fd, int64_t bytes) override {
    int result;
    do {
      result = ftruncate(fd, bytes);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? Status::Ok() : Failed("ftruncate", errno);
  }

  Status Reserve(int fd, int64_t offset, int64_t bytes) override {
    return FromErrno("fallocate", platform::Reserve(fd, offset, bytes));
  }

  Status Map(int fd, size_t bytes, bool writable, uint8_t** base) override {
    void* address = mmap(nullptr, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED) return Failed("mmap", errno);
    *base = static_cast<uint8_t*>(address);
    return Status::Ok();
  }

  void Unmap(uint8_t* base, size_t bytes) override { munmap(base, bytes); }
  void ExpectRandom(uint8_t* base, size_t bytes) override { (void)madvise(base, bytes, MADV_RANDOM); }
  void DropFromTable(uint8_t* address, size_t bytes) override { platform::DropFromTable(address, bytes); }
  bool Populate(uint8_t* address, size_t bytes) override { return platform::Populate(address, bytes); }

  Status Read(int fd, void* data, size_t bytes, int64_t offset, size_t* got) override {
    *got = 0;
    while (*got < bytes) {
      const ssize_t n =
          pread(fd, static_cast<uint8_t*>(data) + *got, bytes - *got, offset + static_cast<int64_t>(*got));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("pread", errno);
      if (n == 0) break;
      *got += static_cast<size_t>(n);
    }
    return Status::Ok();
  }

  Status ReadCached(int fd, void* data, size_t bytes, int64_t offset, ptrdiff_t* got) override {
    ssize_t n;
    do {
      n = platform::ReadCached(fd, data, bytes, offset);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) return Failed("preadv2", errno);
    // A short answer may be a page that is missing as well as the end of the file: the slow path tells them apart.
    *got = n == static_cast<ssize_t>(bytes) ? n : -1;
    return Status::Ok();
  }

  Status NextData(int fd, int64_t offset, int64_t* from, int64_t* to) override {
    struct stat info;
    if (fstat(fd, &info) != 0) return Failed("fstat", errno);
    off_t data = lseek(fd, offset, SEEK_DATA);
    if (data < 0 && errno == EINVAL) data = offset;  // a file system without holes: everything may be data
    if (data < 0 && errno != ENXIO) return Failed("lseek", errno);
    const off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
    *from = data < 0 ? info.st_size : data;
    *to = hole > data ? hole : info.st_size;
    return Status::Ok();
  }

  int SendFile(int fd, int to, int64_t offset, int64_t bytes, int64_t* sent) override {
    return platform::SendFile(to, fd, offset, bytes, sent);
  }
  Status Write(int fd, const void* data, size_t bytes, int64_t offset) override {
    const auto* from = static_cast<const uint8_t*>(data);
    while (bytes > 0) {
      const ssize_t n = pwrite(fd, from, bytes, offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("pwrite", errno);
      if (n == 0) return Failed("pwrite", ENOSPC);
      from += n;
      bytes -= static_cast<size_t>(n);
      offset += n;
    }
    return Status::Ok();
  }

  Status SyncData(int fd) override { return FromErrno("fdatasync", platform::SyncData(fd)); }
  Status SyncFile(int fd) override { return FromErrno("fsync", platform::SyncFile(fd)); }
  void StartRead(int fd, int64_t offset, int64_t bytes) override { platform::StartRead(fd, offset, bytes); }
  void StartWriteBack(int fd, int64_t offset, int64_t bytes) override { platform::StartWriteBack(fd, offset, bytes); }
  Status SyncFileSystem(int fd) override { return FromErrno("syncfs", platform::SyncFileSystem(fd)); }

  Status SyncDirectory(const std::string& path) override {
    int fd;
    do {
      fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return Status::System("open", path, errno);
    const int error_number = platform::SyncFile(fd);
    close(fd);
    return error_number == 0 ? Status::Ok() : Status::System("fsync", path, error_number);
  }

  Status Rename(const std::string& from, const std::string& to) override {
    return rename(from.c_str(), to.c_str()) == 0 ? Status::Ok() : Status::System("rename", to, errno);
  }

  Status Unlink(const std::string& path) override {
    return unlink(path.c_str()) == 0 || errno == ENOENT ? Status::Ok() : Status::System("unlink", path, errno);
  }

  Status MakeDirectory(const std::string& path) override {
    if (mkdir(path.c_str(), 0755) == 0) return Status::Ok();
    const int error_number = errno;
    struct stat info;
    if (error_number == EEXIST && lstat(path.c_str(), &info) == 0) {
      if (S_ISDIR(info.st_mode)) return Status::Ok();
      if (S_ISLNK(info.st_mode))
        return Status::Error(Code::kUnsafePath, "is a symbolic link where a folder of the store belongs", path);
    }
    return Status::System("mkdir", path, error_number);
  }

  Status RemoveDirectory(const std::string& path) override {
    return rmdir(path.c_str()) == 0 || errno == ENOENT ? Status::Ok() : Status::System("rmdir", path, errno);
  }

  Status List(const std::string& path, std::vector<DirectoryEntry>* entries) override {
    entries->clear();
    DIR* directory = opendir(path.c_str());
    if (directory == nullptr) return Status::System("opendir", path, errno);
    errno = 0;
    while (const dirent* item = readdir(directory)) {
      std::string name = item->d_name;
      if (name == "." || name == "..") continue;
      auto kind = DirectoryEntry::Kind::kOther;
      if (item->d_type == DT_REG) kind = DirectoryEntry::Kind::kFile;
      if (item->d_type == DT_DIR) kind = DirectoryEntry::Kind::kDirectory;
      if (item->d_type == DT_LNK) kind = DirectoryEntry::Kind::kLink;
      if (item->d_type == DT_UNKNOWN) {
        struct stat info;
        if (lstat((path + "/" + name).c_str(), &info) == 0) kind = KindOf(info.st_mode);
      }
      entries->push_back({std::move(name), kind});
      errno = 0;
    }
    const int error_number = errno;
    closedir(directory);
    if (error_number != 0) return Status::System("readdir", path, error_number);
    std::sort(entries->begin(), entries->end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return Status::Ok();
  }

  Status Stat(const std::string& path, FileInfo* info, bool* exists) override {
    struct stat found;
    *exists = lstat(path.c_str(), &found) == 0;
    if (!*exists) return errno == ENOENT || errno == ENOTDIR ? Status::Ok() : Status::System("stat", path, errno);
    info->kind = KindOf(found.st_mode);
    info->bytes = found.st_size;
    info->modified_ms = platform::ModifiedMs(found);
    return Status::Ok();
  }

  Status AskDiskUse(const std::string& path, DiskUse* use) override {
    struct statvfs info;
    if (statvfs(path.c_str(), &info) != 0) return Status::System("statvfs", path, errno);
    const auto block = static_cast<int64_t>(info.f_frsize);
    use->used = static_cast<int64_t>(info.f_blocks - info.f_bfree) * block;
    use->available = static_cast<int64_t>(info.f_bavail) * block;
    return Status::Ok();
  }

  Status Lock(int fd, bool* taken, int64_t* holder) override {
    return FromErrno("fcntl", platform::LockFirstByte(fd, taken, holder));
  }

  void Unlock(int fd) override { platform::UnlockFirstByte(fd); }
};

}  // namespace

FileSystem* PosixFileSystem() {
  static Posix* const file_system = new Posix;  // never destroyed: threads may outlive static destructors
  return file_system;
}

}  // namespace millrace
