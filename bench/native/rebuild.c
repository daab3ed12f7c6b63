// limit rebuild: queue units and index entries made again from a log that is in memory: each record's CRC, a unit and,
// with keys, an entry; all of it on disk at the end.
#include "append.h"

int run_rebuild(void) {
  const size_t queue_count = (size_t)number("queues", QUEUES);
  const bool keys = number("keys", 0) != 0;
  crc_prepare();
  struct appended made = append_records();
  char dir[4000];
  snprintf(dir, sizeof dir, "%s/rebuilt", option("dir", NULL));
  sync();

  const double cpu = cpu_seconds(), started = now();
  mkdir(dir, 0777);
  struct queue* queues = open_queues(dir, queue_count);
  struct index index = {0};
  if (keys) open_index(&index, dir);
  const int64_t tag_code = java_hash(0, "tagA", 4);
  const int32_t seed = key_seed();
  const uint8_t* base = NULL;
  size_t count = 0;
  for (size_t at = 0; at < made.end;) {
    if (at % SEGMENT == 0) {
      char name[32];
      snprintf(name, sizeof name, "%020zu", at);
      const int fd = open_file(option("dir", NULL), name);
      if (base != NULL) munmap((void*)base, SEGMENT);
      base = map_file(fd, SEGMENT);
      close(fd);
    }
    const uint8_t* record = base + at % SEGMENT;
    const uint32_t size = get32(record);
    if (get32(record + 4) == 0xCBD43194) {  // blank
      at += size;
      continue;
    }
    const uint32_t body_bytes = get32(record + 84);
    if (get32(record + 4) != 0xDAA320A7 || get64(record + 28) != at) fail("no record at %zu", at);
    if ((crc32_of(record + 88, body_bytes) & 0x7FFFFFFF) != get32(record + 8)) fail("another body at %zu", at);
    put_unit(&queues[get32(record + 12) % queue_count], at, size, tag_code);
    const uint8_t *properties = record + 88 + body_bytes + 1 + TOPIC_BYTES + 2, *end = record + size,
                  *key = memmem(properties, (size_t)(end - properties), "KEYS\001", 5);
    if (keys && key != NULL)
      put_entry(&index, java_hash(seed, (const char*)key + 5, (size_t)(end - key - 5)), at,
                (int64_t)get64(record + 56));
    at += size;
    count++;
  }
  for (size_t i = 0; i < queue_count; i++) {
    write_units(&queues[i]);
    if (queues[i].fd >= 0 && fdatasync(queues[i].fd) != 0) fail("fdatasync: %s", strerror(errno));
  }
  if (keys && msync(index.base, index_bytes, MS_SYNC) != 0) fail("msync: %s", strerror(errno));
  if (count != made.count) fail("%zu of %zu records were read", count, made.count);
  print_rate((double)count, now() - started, cpu_seconds() - cpu, (double)made.end);
  return 0;
}
