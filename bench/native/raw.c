// limit raw, gather, warm, drop: the bare copies, and the care of the page cache between runs.
#include "limit.h"

#include <ftw.h>

// way=memcpy: into a populated mapping; way=pwrite: `piece` bytes a call; way=gathered: `piece` bytes copied together,
// 256 KiB a call.
int run_raw(void) {
  const char *dir = option("dir", NULL), *way = option("way", "pwrite");
  size_t bytes = (size_t)number("bytes", 1e9), piece = (size_t)number("piece", 1129), at = 0;
  if (dir == NULL) fail("raw needs dir=");
  uint8_t* bodies = random_bodies(piece);
  int fd = create_file(dir, "raw", bytes);
  uint8_t* base = NULL;
  if (strcmp(way, "memcpy") == 0) {
    base = map_file(fd, bytes);
    for (size_t page = 0; page < bytes; page += 4096) ((volatile uint8_t*)base)[page] = 0;
  }
  bool gathered = strcmp(way, "gathered") == 0;
  uint8_t* gather = malloc(256 * KIB + piece);
  size_t held = 0, count = bytes / piece;
  double cpu = cpu_seconds(), started = now();
  for (size_t i = 0; i < count; i++) {
    const uint8_t* body = bodies + (i % BODIES) * piece;
    if (base != NULL) {
      memcpy(base + i * piece, body, piece);
    } else if (gathered) {
      memcpy(gather + held, body, piece);
      if ((held += piece) >= 256 * KIB || i + 1 == count) {
        write_all(fd, gather, held, (off_t)at);
        at += held;
        held = 0;
      }
    } else {
      write_all(fd, body, piece, (off_t)(i * piece));
    }
  }
  print_rate((double)count, now() - started, cpu_seconds() - cpu, (double)(count * piece));
  return 0;
}

// Records of four queues that take turns in a file, copied 32 at a time, queue by queue, out of a mapping into one
// buffer: what any pull that copies has to wait for. The next record is asked for while one is copied. Each of
// `threads` does so.
static struct {
  const uint8_t* base;
  size_t count, piece;
  double started;
  _Atomic size_t copied;
} gathered;

static void* gather(void* argument) {
  enum { QUEUES = 4, PULL = 32, LINE = 64 };
  size_t count = gathered.count, piece = gathered.piece, copied = 0;
  const uint8_t* base = gathered.base;
  uint8_t* out = malloc(PULL * piece);
  uint64_t sum = 0;
  (void)argument;
  do {
    for (size_t queue = 0; queue < QUEUES; queue++) {
      for (size_t first = queue; first < count; first += QUEUES * PULL) {
        size_t held = 0;
        for (size_t i = first; i < count && held < PULL; i += QUEUES, held++) {
          for (size_t ahead = 0; ahead < piece; ahead += LINE) __builtin_prefetch(base + (i + QUEUES) * piece + ahead);
          memcpy(out + held * piece, base + i * piece, piece);
        }
        copied += held;
        sum += out[(held - 1) * piece];
      }
    }
  } while (now() - gathered.started < 1);
  if (sum == 1) fail("nothing was read");
  atomic_fetch_add(&gathered.copied, copied);
  return NULL;
}

int run_gather(void) {
  const char* dir = option("dir", NULL);
  size_t count = (size_t)number("count", 1e6), piece = (size_t)number("piece", 1129), bytes = count * piece,
         threads = (size_t)number("threads", 1);
  pthread_t readers[64];
  if (dir == NULL || threads < 1 || threads > 64) fail("gather needs dir=, and 1 to 64 threads");
  uint8_t* data = random_bodies(4 * KIB);
  int fd = create_file(dir, "gather", bytes);
  for (size_t at = 0; at < bytes; at += MIB) write_all(fd, data, bytes - at < MIB ? bytes - at : MIB, (off_t)at);
  gathered.base = map_file(fd, bytes);
  gathered.count = count;
  gathered.piece = piece;
  uint64_t sum = 0;
  for (size_t page = 0; page < bytes; page += 4096) sum += ((volatile const uint8_t*)gathered.base)[page];
  if (sum == 1) fail("nothing was read");
  double cpu = cpu_seconds();
  gathered.started = now();
  for (size_t i = 0; i < threads; i++) pthread_create(&readers[i], NULL, gather, NULL);
  for (size_t i = 0; i < threads; i++) pthread_join(readers[i], NULL);
  print_rate((double)gathered.copied, now() - gathered.started, cpu_seconds() - cpu, (double)(gathered.copied * piece));
  return 0;
}

// Free memory of this machine, less what others may need meanwhile.
static size_t free_bytes(void) {
  size_t available = 0;
  char line[128];
  FILE* file = fopen("/proc/meminfo", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "MemAvailable: %zu", &available) == 1) break;
  if (file != NULL) fclose(file);
  return available * KIB > GIB ? available * KIB - GIB : 0;
}

// A guest gives free pages back to its host, from two seconds after they became free on, and asking for one again
// costs microseconds. So a file as large as the next run is written and deleted; then all free memory is held for a
// moment, which leaves nothing to be given back, and let go of right before the run.
int run_warm(void) {
  const char* dir = option("dir", NULL);
  size_t bytes = (size_t)number("bytes", 1e9), at = 0;
  if (dir == NULL) fail("warm needs dir=");
  uint8_t* data = random_bodies(4 * KIB);
  int fd = create_file(dir, "warm", 0);
  char path[4096];
  snprintf(path, sizeof path, "%s/warm", dir);
  for (; at < bytes; at += MIB) write_all(fd, data, MIB, (off_t)at);
  close(fd);
  unlink(path);
  sync();
  size_t held = bytes < 256 * MIB ? 0 : free_bytes();  // a trial so small takes no more than anybody's leftovers
  uint8_t* memory = mmap(NULL, held + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail("no %zu bytes of memory: %s", held, strerror(errno));
  madvise(memory, held, MADV_HUGEPAGE);
  for (size_t page = 0; page < held; page += 4096) ((volatile uint8_t*)memory)[page] = 1;
  printf("{\"bytes\":%zu,\"held\":%zu}\n", at, held);
  return 0;
}

static size_t dropped_files, resident_pages;

static int drop_file(const char* path, const struct stat* info, int kind, struct FTW* where) {
  (void)where;
  if (kind != FTW_F || info->st_size == 0) return 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("open %s: %s", path, strerror(errno));
  fdatasync(fd);
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  size_t pages = ((size_t)info->st_size + 4095) / 4096;
  unsigned char* present = malloc(pages);
  void* base = mmap(NULL, (size_t)info->st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED || mincore(base, (size_t)info->st_size, present) != 0)
    fail("mincore %s: %s", path, strerror(errno));
  for (size_t i = 0; i < pages; i++) resident_pages += present[i] & 1;
  munmap(base, (size_t)info->st_size);
  free(present);
  close(fd);
  dropped_files++;
  return 0;
}

size_t drop_files(const char* dir) {
  if (nftw(dir, drop_file, 16, FTW_PHYS) != 0) fail("nftw %s: %s", dir, strerror(errno));
  if (resident_pages > 64) fail("%zu pages of %s are still in memory", resident_pages, dir);
  return dropped_files;
}

int run_drop(void) {
  const char* dir = option("dir", NULL);
  if (dir == NULL) fail("drop needs dir=");
  const size_t files = drop_files(dir);
  printf("{\"files\":%zu,\"residentPages\":%zu}\n", files, resident_pages);
  return 0;
}
