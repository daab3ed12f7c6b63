// What differs between Linux and macOS, and nothing else. Each function says what the weaker platform gives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <sys/stat.h>
#include <sys/types.h>

namespace millrace::platform {

// A file system with large folios puts so much, written at once and aligned, into one page.
constexpr int64_t kLargePageBytes = 2 << 20;

// Disk blocks for a range of a file. Linux: fallocate. Returns an errno, 0 when done. Where the file system has no such
// call (EOPNOTSUPP) this is 0 and nothing is promised. macOS: always so; APFS writes each block anew, and its
// F_PREALLOCATE adds blocks behind a file's end but fills no hole.
int Reserve(int fd, int64_t offset, int64_t bytes);

// Pages made present and writable, those that the range begins and ends in included. Linux >= 5.14:
// MADV_POPULATE_WRITE. Elsewhere false.
bool Populate(void* address, size_t bytes);
// Whether the page at an address is a large one in the page table too: one fault and one entry for kLargePageBytes.
// Linux >= 6.7: PAGEMAP_SCAN. Elsewhere false.
bool MappedLarge(const void* address);
// Whole pages of the range. Linux: MADV_DONTNEED, which on a shared mapping of a file only empties the page table.
// Elsewhere nothing.
void DropFromTable(void* address, size_t bytes);

// preadv2(RWF_NOWAIT): bytes read, or -1 with errno EAGAIN when a page is not in memory. macOS: an ordinary pread.
ssize_t ReadCached(int fd, void* data, size_t bytes, int64_t offset);

// Data (and what is needed to find it) on the device. Linux: fdatasync. macOS: F_FULLFSYNC, or fsync where the file
// system has none. Returns an errno.
int SyncData(int fd);
int SyncFile(int fd);
// Linux: posix_fadvise(WILLNEED). macOS: F_RDADVISE.
void StartRead(int fd, int64_t offset, int64_t bytes);
// Linux: sync_file_range. macOS: nothing.
void StartWriteBack(int fd, int64_t offset, int64_t bytes);
// Linux: syncfs. macOS: fsync_volume_np, through the drive's cache.
int SyncFileSystem(int fd);

// Bytes of a file to another descriptor, by the kernel alone. Returns an errno; EAGAIN when nothing could be sent for
// now. macOS: to sockets only (ENOTSOCK else).
int SendFile(int to, int fd, int64_t offset, int64_t bytes, int64_t* sent);
// What a descriptor is that bytes are sent to; a socket or a pipe is made nonblocking, as Node has its own.
enum class Outlet { kSocket, kPipe, kOther };
Outlet PrepareOutlet(int fd);
// A duplicate that programs started by this process don't inherit; -1 and errno.
int Duplicate(int fd);
// A pipe whose ends don't wait and are not inherited, to wake a thread that polls. Returns an errno.
int MakeWakePipe(int ends[2]);
// For sendmsg: no signal, no waiting; more follows at once. macOS: only no waiting.
extern const int kSendFlags, kMoreFollows;

// Of a clock that only rises and is read without delay; it moves every few milliseconds. macOS: the usual one.
int64_t CoarseMs();

// True when all pages of the range are in memory. macOS counts likewise with mincore.
bool Resident(const void* address, size_t bytes);
// True when any is.
bool PartlyResident(const void* address, size_t bytes);

// An exclusive lock on byte 0. Linux: an open-file-description lock, which a second open in the same process meets too.
// macOS: a record lock and a table of the process, which refuses the second open; but when that closes its descriptor,
// the system takes the first one's record lock, and other processes are no longer kept out. Returns 0, or an errno;
// *holder as in FileSystem::Lock.
int LockFirstByte(int fd, bool* taken, int64_t* holder);

// Gives the lock back at once, though a child that is being spawned may hold a copy of the descriptor until its exec.
void UnlockFirstByte(int fd);

int64_t ModifiedMs(const struct stat& info);

// How many descriptors the process may have open, by RLIMIT_NOFILE now.
int64_t MaxOpenFiles();

// What an errno says. The two kinds of strerror_r differ.
std::string ErrorText(int error_number);

#ifdef __aarch64__
// Whether the processor has crc32x and crc32b. Linux: by the auxiliary vector. macOS: all have.
bool HasCrcInstructions();
#endif

// A name for the calling thread in debuggers and profiles, at most 15 bytes.
void NameThread(const char* name);

}  // namespace millrace::platform
