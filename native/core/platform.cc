#include "platform.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/sendfile.h>
#endif
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

namespace millrace::platform {

namespace {

int Retry(int (*call)(int), int fd) {
  int result;
  do {
    result = call(fd);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

int64_t ClockMs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

// 4 KiB on x64, but up to 64 KiB on arm64.
uintptr_t PageBytes() {
  static const auto bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

int64_t MaxOpenFiles() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  return limit.rlim_cur == RLIM_INFINITY ? INT32_MAX : static_cast<int64_t>(limit.rlim_cur);
}

Outlet PrepareOutlet(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return Outlet::kOther;
  const Outlet outlet = S_ISSOCK(info.st_mode)   ? Outlet::kSocket
                        : S_ISFIFO(info.st_mode) ? Outlet::kPipe
                                                 : Outlet::kOther;
  if (outlet != Outlet::kOther) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return outlet;
}

int Duplicate(int fd) {
  constexpr int kLeast = 3;
  return fcntl(fd, F_DUPFD_CLOEXEC, kLeast);
}

int MakeWakePipe(int ends[2]) {
  if (pipe(ends) != 0) return errno;
  for (int i = 0; i < 2; i++) {
    fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    fcntl(ends[i], F_SETFL, O_NONBLOCK);
  }
  return 0;
}

std::string ErrorText(int error_number) {
  char text[128] = {};
#ifdef __GLIBC__
  return strerror_r(error_number, text, sizeof text);  // GNU's: the answer, which need not lie in the buffer
#else
  return strerror_r(error_number, text, sizeof text) == 0 ? text : "unknown error";
#endif
}

namespace {

// Whether a page of the range is in memory, or whether one is not; true where the kernel does not say.
bool HasPage(const void* address, size_t bytes, bool in_memory) {
  const uintptr_t page = PageBytes();
  const auto begin = reinterpret_cast<uintptr_t>(address) & ~(page - 1);
  const auto end = reinterpret_cast<uintptr_t>(address) + bytes;
  // The stack array covers 1 MiB of 4 KiB pages, more than a pull returns; a longer range goes in turns.
  unsigned char states[256];
  for (uintptr_t at = begin; at < end; at += page * sizeof states) {
    const size_t length = std::min<size_t>(end - at, page * sizeof states);
    const size_t pages = (length + page - 1) / page;
#ifdef __APPLE__
    if (mincore(reinterpret_cast<void*>(at), length, reinterpret_cast<char*>(states)) != 0) return true;
#else
    if (mincore(reinterpret_cast<void*>(at), length, states) != 0) return true;
#endif
    for (size_t i = 0; i < pages; i++)
      if (((states[i] & 1) != 0) == in_memory) return true;
  }
  return false;
}

}  // namespace

bool Resident(const void* address, size_t bytes) { return !HasPage(address, bytes, false); }
bool PartlyResident(const void* address, size_t bytes) { return HasPage(address, bytes, true); }

#ifdef __linux__

int Reserve(int fd, int64_t offset, int64_t bytes) {
  int result;
  do {
    result = fallocate(fd, 0, offset, bytes);
  } while (result != 0 && errno == EINTR);
  return result == 0 || errno == EOPNOTSUPP ? 0 : errno;
}

bool Populate(void* address, size_t bytes) {
#ifndef MADV_POPULATE_WRITE
  constexpr int MADV_POPULATE_WRITE = 23;
#endif
  const auto end = reinterpret_cast<uintptr_t>(address) + bytes, begin = (end - bytes) & ~(PageBytes() - 1);
  return madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_WRITE) == 0;
}

bool MappedLarge(const void* address) {
  // linux/fs.h has these since 6.7.
  struct Region {
    uint64_t start, end, categories;
  };
  struct Scan {
    uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages, inverted, mask, any_of, returned;
  };
  constexpr uint64_t kHuge = 1 << 6;
  const uintptr_t page = PageBytes(), start = reinterpret_cast<uintptr_t>(address) & ~(page - 1);
  Region region = {};
  Scan scan = {sizeof scan, 0, start, start + page, 0, reinterpret_cast<uint64_t>(&region), 1, 0, 0, kHuge, 0, kHuge};
  const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const int found = ioctl(fd, _IOWR('f', 16, Scan), &scan);
  close(fd);
  return found > 0 && (region.categories & kHuge) != 0;
}

void DropFromTable(void* address, size_t bytes) {
  const uintptr_t page = PageBytes(), from = reinterpret_cast<uintptr_t>(address);
  const uintptr_t begin = (from + page - 1) & ~(page - 1), end = (from + bytes) & ~(page - 1);
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

ssize_t ReadCached(int fd, void* data, size_t bytes, int64_t offset) {
  const iovec part{data, bytes};
  const ssize_t got = preadv2(fd, &part, 1, offset, RWF_NOWAIT);
  if (got < 0 && errno == EOPNOTSUPP) return pread(fd, data, bytes, offset);
  return got;
}

int SyncData(int fd) { return Retry(fdatasync, fd); }
int SyncFile(int fd) { return Retry(fsync, fd); }
void StartRead(int fd, int64_t offset, int64_t bytes) { (void)posix_fadvise(fd, offset, bytes, POSIX_FADV_WILLNEED); }
void StartWriteBack(int fd, int64_t offset, int64_t bytes) {
  sync_file_range(fd, offset, bytes, SYNC_FILE_RANGE_WRITE);
}
int SyncFileSystem(int fd) { return Retry(syncfs, fd); }

int LockFirstByte(int fd, bool* taken, int64_t* holder) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  *holder = 0;
  *taken = fcntl(fd, F_OFD_SETLK, &lock) == 0;
  if (*taken) return 0;
  if (errno != EAGAIN && errno != EACCES) return errno;
  // A traditional record lock (Java's) is asked about by F_GETLK; an open-file-description lock has no process: l_pid
  // is -1.
  lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0) *holder = lock.l_pid;
  return 0;
}

void UnlockFirstByte(int fd) {
  struct flock lock = {};
  lock.l_type = F_UNLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  fcntl(fd, F_OFD_SETLK, &lock);
}

int64_t ModifiedMs(const struct stat& info) { return info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000; }

#ifdef __aarch64__
bool HasCrcInstructions() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#endif

void NameThread(const char* name) { pthread_setname_np(pthread_self(), name); }

int64_t CoarseMs() { return ClockMs(CLOCK_MONOTONIC_COARSE); }

int SendFile(int to, int fd, int64_t offset, int64_t bytes, int64_t* sent) {
  constexpr int64_t kMost = 1 << 30;
  off_t at = offset;
  ssize_t got;
  do {
    got = sendfile(to, fd, &at, static_cast<size_t>(std::min(bytes, kMost)));
  } while (got < 0 && errno == EINTR);
  *sent = std::max<ssize_t>(got, 0);
  return got < 0 ? errno : 0;
}
const int kSendFlags = MSG_NOSIGNAL | MSG_DONTWAIT, kMoreFollows = MSG_MORE;

#else  // macOS

int64_t CoarseMs() { return ClockMs(CLOCK_MONOTONIC); }

int SendFile(int to, int fd, int64_t offset, int64_t bytes, int64_t* sent) {
  off_t count = bytes;
  const int result = sendfile(fd, to, offset, &count, nullptr, 0);
  *sent = count;  // EAGAIN and EINTR come with what was sent
  return result == 0 || count > 0 ? 0 : errno == EINTR ? EAGAIN : errno;
}
const int kSendFlags = MSG_DONTWAIT, kMoreFollows = 0;

int Reserve(int, int64_t, int64_t) { return 0; }
bool Populate(void*, size_t) { return false; }
bool MappedLarge(const void*) { return false; }
void DropFromTable(void*, size_t) {}
ssize_t ReadCached(int fd, void* data, size_t bytes, int64_t offset) { return pread(fd, data, bytes, offset); }
int SyncData(int fd) {
  const int result = Retry([](int f) { return fcntl(f, F_FULLFSYNC); }, fd);
  return result == ENOTSUP || result == ENOTTY || result == EINVAL ? Retry(fsync, fd) : result;
}
int SyncFile(int fd) { return SyncData(fd); }
void StartRead(int fd, int64_t offset, int64_t bytes) {
  radvisory range = {offset, static_cast<int>(bytes)};
  (void)fcntl(fd, F_RDADVISE, &range);
}
void StartWriteBack(int, int64_t, int64_t) {}
int SyncFileSystem(int fd) {
  return Retry([](int f) { return fsync_volume_np(f, SYNC_VOLUME_FULLSYNC | SYNC_VOLUME_WAIT); }, fd);
}

int LockFirstByte(int fd, bool* taken, int64_t* holder) {
  // A record lock does not meet another open of the same process: a table of what this process holds does. Entries live
  // as long as the process has the file locked; a file that was closed has lost its lock, so an entry whose descriptor
  // is gone counts as free.
  static std::mutex mutex;
  static std::vector<std::pair<std::pair<dev_t, ino_t>, int> > held;
  std::lock_guard guard(mutex);
  struct stat info;
  if (fstat(fd, &info) != 0) return errno;
  const auto file = std::make_pair(info.st_dev, info.st_ino);
  *holder = 0;
  for (auto it = held.begin(); it != held.end();) {
    struct stat other;
    const bool alive = fstat(it->second, &other) == 0 && std::make_pair(other.st_dev, other.st_ino) == it->first;
    if (!alive) {
      it = held.erase(it);
      continue;
    }
    if (it->first == file && it->second != fd) {
      *taken = false;
      *holder = getpid();
      return 0;
    }
    ++it;
  }
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  *taken = fcntl(fd, F_SETLK, &lock) == 0;
  if (*taken) {
    held.emplace_back(file, fd);
    return 0;
  }
  if (errno != EAGAIN && errno != EACCES) return errno;
  if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0) *holder = lock.l_pid;
  return 0;
}

void UnlockFirstByte(int) {}  // a record lock is not inherited by a child

int64_t ModifiedMs(const struct stat& info) {
  return info.st_mtimespec.tv_sec * 1000 + info.st_mtimespec.tv_nsec / 1000000;
}

#ifdef __aarch64__
bool HasCrcInstructions() { return true; }
#endif

void NameThread(const char* name) { pthread_setname_np(name); }

#endif

}  // namespace millrace::platform
