// limit append: the bytes of an append and nothing else — V1 records with CRC, queue units, index entries — by one
// thread. write=pwrite gathers 256 KiB of records a call; write=mapped builds them in a mapping whose pages a second
// thread makes present ahead.
#include "append.h"

enum { GATHER = 256 * 1024, AHEAD_STEP = 4 << 20, AHEAD = 64 << 20 };

// Written by the writer: how far it is. Read by the thread that makes pages present, which also makes the segments.
struct ahead {
  const char* dir;
  size_t total;
  uint8_t** segments;
  _Atomic size_t written, present;
};

static void* make_present(void* argument) {
  struct ahead* ahead = argument;
  for (size_t at = 0; at < ahead->total; at += AHEAD_STEP) {
    if (at % SEGMENT == 0) {
      char name[32];
      snprintf(name, sizeof name, "%020zu", at);
      int fd = create_file(ahead->dir, name, SEGMENT);
      ahead->segments[at / SEGMENT] = map_file(fd, SEGMENT);
      close(fd);
    }
    while (at >= atomic_load_explicit(&ahead->written, memory_order_acquire) + AHEAD) usleep(50);
    uint8_t* address = ahead->segments[at / SEGMENT] + at % SEGMENT;
#ifdef MADV_POPULATE_WRITE
    if (madvise(address, AHEAD_STEP, MADV_POPULATE_WRITE) != 0)
#endif
      for (size_t page = 0; page < AHEAD_STEP; page += 4096) ((volatile uint8_t*)address)[page] = 0;
    atomic_store_explicit(&ahead->present, at + AHEAD_STEP, memory_order_release);
  }
  return NULL;
}

struct appended append_records(void) {
  const char* dir = option("dir", NULL);
  size_t count = (size_t)number("count", 1e6), body_bytes = (size_t)number("body", 1024),
         queue_count = (size_t)number("queues", QUEUES);
  bool keys = number("keys", 0) != 0, mapped = strcmp(option("write", "pwrite"), "mapped") == 0;
  if (dir == NULL) fail("append needs dir=");
  crc_prepare();
  mkdir(dir, 0777);
  uint8_t* bodies = random_bodies(body_bytes);

  struct queue* queues = open_queues(dir, queue_count);
  struct index index = {0};
  if (keys) open_index(&index, dir);

  const size_t most = record_bytes(body_bytes, 0) + 64;
  const int64_t tag_code = java_hash(0, "tagA", 4);
  const int32_t seed = key_seed();

  static struct ahead ahead;  // the helper looks at it until the process is gone
  ahead.dir = dir;
  ahead.total = (count * most / SEGMENT + 1) * SEGMENT;
  ahead.segments = calloc(ahead.total / SEGMENT + 1, sizeof *ahead.segments);
  pthread_t helper;  // ends with the process
  uint8_t* gather = NULL;
  int fd = -1;
  size_t segment_start = 0, gather_start = 0, position = 0, room = 0;
  uint8_t* at = NULL;
  if (mapped) {
    pthread_create(&helper, NULL, make_present, &ahead);
    while (atomic_load(&ahead.present) < AHEAD) usleep(50);
    at = ahead.segments[0];
    room = SEGMENT;
  } else {
    gather = at = malloc(GATHER + most);
    fd = create_file(dir, "00000000000000000000", SEGMENT);
    room = SEGMENT;
  }

  double cpu = cpu_seconds(), started = now();
  for (size_t i = 0; i < count; i++) {
    if (room < most + 8) {  // a blank record, and the next segment
      put32(put32(at, (uint32_t)room), 0xCBD43194);
      if (!mapped) {
        write_all(fd, gather, (size_t)(at - gather) + 8, (off_t)(gather_start - segment_start));
        close(fd);
      }
      position = segment_start += SEGMENT;
      room = SEGMENT;
      if (mapped) {
        while (atomic_load_explicit(&ahead.present, memory_order_acquire) <= position) usleep(10);
        at = ahead.segments[position / SEGMENT];
      } else {
        char name[32];
        snprintf(name, sizeof name, "%020zu", position);
        fd = create_file(dir, name, SEGMENT);
        at = gather;
        gather_start = position;
      }
    }
    if (mapped && (i & 63) == 0) {
      atomic_store_explicit(&ahead.written, position, memory_order_release);
      while (atomic_load_explicit(&ahead.present, memory_order_acquire) < position + 64 * most &&
             position + 64 * most < ahead.total)
        usleep(10);
    }

    char key[24];
    const size_t key_bytes = keys ? put_key(key, i) : 0;
    const uint8_t* body = bodies + (i % BODIES) * body_bytes;
    struct queue* queue = &queues[i % queue_count];
    int64_t time_ms = wall_ms();
    uint32_t size = record_bytes(body_bytes, key_bytes);

    struct record record = {body, body_bytes, (uint32_t)(i % queue_count), queue->next, position, time_ms,
                            key,  key_bytes};
    uint8_t* p = put_record(at, &record);

    put_unit(queue, position, size, tag_code);
    if (keys) put_entry(&index, java_hash(seed, key, key_bytes), position, time_ms);

    position += size;
    room -= size;
    at = p;
    if (!mapped && at - gather >= GATHER) {
      write_all(fd, gather, (size_t)(at - gather), (off_t)(gather_start - segment_start));
      gather_start = position;
      at = gather;
    }
  }
  if (!mapped) write_all(fd, gather, (size_t)(at - gather), (off_t)(gather_start - segment_start));
  for (size_t i = 0; i < queue_count; i++) write_units(&queues[i]);
  struct appended made = {count, position, now() - started, cpu_seconds() - cpu};
  close_index(&index);
  return made;
}

int run_append(void) {
  struct appended made = append_records();
  print_rate((double)made.count, made.seconds, made.cpu, (double)made.end);
  return 0;
}

int run_check(void) {
  crc_prepare();
  uint8_t data[3000];
  fill_random(data, sizeof data, 7);
  for (size_t bytes = 0; bytes < 2990; bytes++) {
    uint32_t slow = ~crc_bytes(0xFFFFFFFFu, data + bytes % 7, bytes), fast = crc32_of(data + bytes % 7, bytes);
    if (slow != fast) fail("CRC of %zu bytes: %08x, not %08x", bytes, fast, slow);
  }
  double started = now();
  uint32_t sum = 0;
  for (int i = 0; i < 1000000; i++) sum += crc32_of(data + (i & 1), 1024);
  printf("{\"crcBytesPerSecond\":%.0f,\"sum\":%u}\n", 1024e6 / (now() - started), sum);
  return 0;
}
