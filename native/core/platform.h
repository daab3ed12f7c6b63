// What differs between Linux and macOS, and nothing else. Each function says what the weaker platform gives.
#pragma once

#include <cstddef>
#include <cstdint>

#include <sys/types.h>

namespace millrace::platform {

// Disk blocks for a range of a file. Linux: fallocate. macOS: F_PREALLOCATE at the end of the file. Returns an errno, 0
// when done. Where the file system has no such call (EOPNOTSUPP) this is 0 and nothing is promised.
int Reserve(int fd, int64_t offset, int64_t bytes);

// Pages made present and writable. Linux >= 5.14: MADV_POPULATE_WRITE. Elsewhere false.
bool Populate(void* address, size_t bytes);
// Linux: MADV_DONTNEED, which on a shared mapping of a file only empties the page table. Elsewhere nothing.
void DropFromTable(void* address, size_t bytes);

// preadv2(RWF_NOWAIT): bytes read, or -1 with errno EAGAIN when a page is not in memory. macOS: an ordinary pread.
ssize_t ReadCached(int fd, void* data, size_t bytes, int64_t offset);

// Data (and what is needed to find it) on the device. Linux: fdatasync. macOS: F_FULLFSYNC. Returns an errno.
int SyncData(int fd);
int SyncFile(int fd);
// Linux: sync_file_range. macOS: nothing.
void StartWriteBack(int fd, int64_t offset, int64_t bytes);
// Linux: syncfs. macOS: F_FULLFSYNC of the descriptor after sync(2).
int SyncFileSystem(int fd);

// True when all pages of the range are in memory. macOS counts likewise with mincore.
bool Resident(const void* address, size_t bytes);

// An exclusive lock on byte 0. Linux: an open-file-description lock, which a second open in the same process meets too.
// macOS: a record lock and a table of the process. Returns 0, or an errno; *holder as in FileSystem::Lock.
int LockFirstByte(int fd, bool* taken, int64_t* holder);

// Gives the lock back at once, though a child that is being spawned may hold a copy of the descriptor until its exec.
void UnlockFirstByte(int fd);

// A name for the calling thread in debuggers and profiles, at most 15 bytes.
void NameThread(const char* name);

}  // namespace millrace::platform
