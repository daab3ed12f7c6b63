// The one seam between the core and the operating system's files. Everything that opens, makes, maps, writes, syncs,
// renames or removes a file passes through it, so that a test can fail any of these calls or forget what was not
// synced. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "status.h"

namespace millrace {

struct DirectoryEntry {
  enum class Kind { kFile, kDirectory, kLink, kOther };
  std::string name;
  Kind kind;
};

struct FileInfo {
  DirectoryEntry::Kind kind;
  int64_t bytes;
  int64_t modified_ms;
};

// Of the file system that holds a path. `available` is what an ordinary user may still take.
struct DiskUse {
  int64_t used = 0, available = 0;  // bytes
};

enum class OpenMode { kRead, kReadWrite, kCreate, kCreateNew };

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // The descriptor is close-on-exec; a symbolic link as last component is refused (kUnsafePath).
  virtual Status Open(const std::string& path, OpenMode mode, int* fd) = 0;
  virtual void Close(int fd) = 0;

  virtual Status SetLength(int fd, int64_t bytes) = 0;
  // Promises disk blocks for [offset, offset + bytes), which must lie within the file's length; contents are kept.
  // kDiskFull when there are none.
  virtual Status Reserve(int fd, int64_t offset, int64_t bytes) = 0;

  virtual Status Map(int fd, size_t bytes, bool writable, uint8_t** base) = 0;
  virtual void Unmap(uint8_t* base, size_t bytes) = 0;
  // Pages will be touched at random: nothing is read ahead. A hint.
  virtual void ExpectRandom(uint8_t* base, size_t bytes) = 0;
  // Takes pages out of the process's page table; they stay in the page cache, dirty as they are. A hint.
  virtual void DropFromTable(uint8_t* address, size_t bytes) = 0;
  // Makes the pages present and writable before their first touch; false where the platform can't or memory is short.
  virtual bool Populate(uint8_t* address, size_t bytes) = 0;

  // Reads up to `bytes`; *got is less only at the end of the file.
  virtual Status Read(int fd, void* data, size_t bytes, int64_t offset, size_t* got) = 0;
  // The same if no page has to come from disk; *got = -1 when one would.
  virtual Status ReadCached(int fd, void* data, size_t bytes, int64_t offset, ptrdiff_t* got) = 0;
  // The first extent [*from, *to) from `offset` on that may hold something else than zeros; both are the file's length
  // when there is none. Holes are skipped unread.
  virtual Status NextData(int fd, int64_t offset, int64_t* from, int64_t* to) = 0;
  // Bytes of a file to a socket or another descriptor `to`, without a copy in this process. Returns an errno, EAGAIN
  // when nothing could be sent for now; *sent is 0 at the end of the file.
  virtual int SendFile(int fd, int to, int64_t offset, int64_t bytes, int64_t* sent) = 0;
  virtual Status Write(int fd, const void* data, size_t bytes, int64_t offset) = 0;

  virtual Status SyncData(int fd) = 0;
  virtual Status SyncFile(int fd) = 0;
  // Starts reading into the page cache without waiting for it; a hint.
  virtual void StartRead(int fd, int64_t offset, int64_t bytes) = 0;
  // Starts write-back without waiting for it; a hint.
  virtual void StartWriteBack(int fd, int64_t offset, int64_t bytes) = 0;
  // Everything written to the file system of this descriptor; fails if a write-back since the descriptor was opened
  // failed.
  virtual Status SyncFileSystem(int fd) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;

  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Unlink(const std::string& path) = 0;
  virtual Status MakeDirectory(const std::string& path) = 0;  // fine if it is there
  virtual Status RemoveDirectory(const std::string& path) = 0;
  virtual Status List(const std::string& path, std::vector<DirectoryEntry>* entries) = 0;  // sorted by name
  virtual Status Stat(const std::string& path, FileInfo* info, bool* exists) = 0;          // does not follow a link

  virtual Status AskDiskUse(const std::string& path, DiskUse* use) = 0;

  // A whole-file exclusive lock on byte 0 that other processes and other opens of this process meet. *taken = false
  // when somebody has it; *holder is then its process id, or 0 where the platform can't tell.
  virtual Status Lock(int fd, bool* taken, int64_t* holder) = 0;
  virtual void Unlock(int fd) = 0;
};

// The real one; lives as long as the process.
FileSystem* PosixFileSystem();

// `inner` with faults by plan; see faulty_file_system.cc for the plan's grammar. Fails with kInvalidArgument on a plan
// it can't read.
Status MakeFaultyFileSystem(FileSystem* inner, const std::string& plan, std::shared_ptr<FileSystem>* out);

}  // namespace millrace
