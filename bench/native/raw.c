// limit raw, warm, drop: the bare copies, and the care of the page cache between runs.
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

// Pages that a guest never used cost a microsecond or two each: uses as many as the next run will, then gives them
// back.
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
  printf("{\"bytes\":%zu}\n", at);
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

int run_drop(void) {
  const char* dir = option("dir", NULL);
  if (dir == NULL) fail("drop needs dir=");
  if (nftw(dir, drop_file, 16, FTW_PHYS) != 0) fail("nftw %s: %s", dir, strerror(errno));
  if (resident_pages > 64) fail("%zu pages of %s are still in memory", resident_pages, dir);
  printf("{\"files\":%zu,\"residentPages\":%zu}\n", dropped_files, resident_pages);
  return 0;
}
