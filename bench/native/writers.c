// limit writers: what several threads get out of one log on this machine. Each takes the place of 32 records by one
// atomic addition and builds them there, in a mapping whose pages one more thread makes ahead by writing zeros, 2 MiB
// at once; nobody ever holds a lock. What a store can do besides is less than this.
#include "limit.h"
#include "record.h"

enum { QUEUES = 4, BATCH = 32, LINE = 64, PREFETCH = 2048, AHEAD_STEP = 2 << 20, AHEAD = 64 << 20 };

static struct {
  int fd;
  uint8_t* base;
  uint8_t* bodies;
  size_t total, body_bytes, record;
  _Atomic size_t position, present;
  _Atomic uint64_t next[QUEUES];
} shared;

static void* make_present(void* argument) {
  (void)argument;
  uint8_t* zeros = calloc(1, AHEAD_STEP);
  for (size_t at = 0; at < shared.total; at += AHEAD_STEP) {
    while (at >= atomic_load(&shared.position) + AHEAD) usleep(50);
    write_all(shared.fd, zeros, AHEAD_STEP, (off_t)at);
#ifdef MADV_POPULATE_WRITE
    madvise(shared.base + at, AHEAD_STEP, MADV_POPULATE_WRITE);
#endif
    atomic_store_explicit(&shared.present, at + AHEAD_STEP, memory_order_release);
  }
  return NULL;
}

static void* write_records(void* argument) {
  size_t number = (size_t)argument, batch = BATCH * shared.record;
  for (;;) {
    size_t position = atomic_fetch_add(&shared.position, batch);
    if (position + batch > shared.total) return NULL;
    while (atomic_load_explicit(&shared.present, memory_order_acquire) < position + batch) usleep(10);
    for (size_t i = 0; i < BATCH; i++, position += shared.record, number++) {
      uint32_t queue = number % QUEUES;
      struct record record = {shared.bodies + number % BODIES * shared.body_bytes,
                              shared.body_bytes,
                              queue,
                              atomic_fetch_add_explicit(&shared.next[queue], 1, memory_order_relaxed),
                              position,
                              wall_ms(),
                              NULL,
                              0};
      uint8_t* behind = shared.base + position + PREFETCH;
      for (size_t line = 0; line < shared.record; line += LINE) __builtin_prefetch(behind + line, 1);
      put_record(shared.base + position, &record);
    }
  }
}

int run_writers(void) {
  const char* dir = option("dir", NULL);
  size_t threads = (size_t)number("threads", 1), count = (size_t)number("count", 2e6);
  if (dir == NULL) fail("writers needs dir=");
  crc_prepare();
  mkdir(dir, 0777);
  shared.body_bytes = (size_t)number("body", 1024);
  shared.bodies = random_bodies(shared.body_bytes);
  shared.record = record_bytes(shared.body_bytes, 0);
  shared.total = (count * shared.record / AHEAD_STEP + 1) * AHEAD_STEP;
  shared.fd = create_file(dir, "log", shared.total);
  shared.base = map_file(shared.fd, shared.total);
  pthread_t helper, writers[64];
  if (threads < 1 || threads > 64) fail("1 to 64 threads");
  pthread_create(&helper, NULL, make_present, NULL);
  while (atomic_load(&shared.present) < AHEAD && atomic_load(&shared.present) < shared.total) usleep(50);
  double cpu = cpu_seconds(), started = now();
  for (size_t i = 0; i < threads; i++) pthread_create(&writers[i], NULL, write_records, (void*)(i * 1000003));
  for (size_t i = 0; i < threads; i++) pthread_join(writers[i], NULL);
  print_rate((double)count, now() - started, cpu_seconds() - cpu, (double)shared.total);
  return 0;
}
