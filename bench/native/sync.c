// limit sync: the bare loop of a synchronous store — one record, one fdatasync — in the four ways a file can take it.
//   extend     the file grows with each record
//   unwritten  fallocate first: blocks are there, the extent tree still changes
//   zeroed     written with zeros and synced first: nothing but data changes
//   mapped     the same, copied into a mapping
#include "limit.h"

int run_sync(void) {
  const char *dir = option("dir", NULL), *way = option("way", "extend");
  size_t count = (size_t)number("count", 2000), record = (size_t)number("body", 1024) + 105, bytes = count * record;
  if (dir == NULL) fail("sync needs dir=");
  uint8_t* bodies = random_bodies(record);
  bool extend = strcmp(way, "extend") == 0, mapped = strcmp(way, "mapped") == 0;
  int fd = create_file(dir, "log", extend ? 0 : bytes);
  if (!extend && posix_fallocate(fd, 0, (off_t)bytes) != 0) fail("posix_fallocate of %zu bytes", bytes);
  if (mapped || strcmp(way, "zeroed") == 0) {
    uint8_t* zeros = calloc(1, MIB);
    for (size_t at = 0; at < bytes; at += MIB) write_all(fd, zeros, bytes - at < MIB ? bytes - at : MIB, (off_t)at);
  }
  fsync(fd);
  uint8_t* base = mapped ? map_file(fd, bytes) : NULL;

  double cpu = cpu_seconds(), started = now();
  for (size_t i = 0; i < count; i++) {
    const uint8_t* body = bodies + (i % BODIES) * record;
    if (mapped)
      memcpy(base + i * record, body, record);
    else
      write_all(fd, body, record, (off_t)(i * record));
    if (fdatasync(fd) != 0) fail("fdatasync: %s", strerror(errno));
  }
  double seconds = now() - started;
  print_rate((double)count, seconds, cpu_seconds() - cpu, (double)bytes);
  return 0;
}
