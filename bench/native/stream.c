// limit stream, read, paced: what the disk takes from a plain C loop and gives to one, as fast as it can, and what it
// takes at a given rate.
#include "limit.h"

static const size_t SEGMENT = (size_t)1 << 30;

static int next_segment(const char* dir, size_t offset) {
  char name[32];
  snprintf(name, sizeof name, "%020zu", offset);
  return create_file(dir, name, SEGMENT);
}

// `bytes` in calls of 256 KiB; each segment is synced when it is full, and the last at the end, inside the time.
int run_stream(void) {
  const char* dir = option("dir", NULL);
  size_t bytes = (size_t)number("bytes", 20e9), piece = 256 * KIB;
  if (dir == NULL) fail("stream needs dir=");
  uint8_t* data = random_bodies(piece / 4);
  double record = number("body", 1024) + 105, cpu = cpu_seconds(), started = now();
  int fd = -1;
  for (size_t at = 0; at < bytes; at += piece) {
    if (at % SEGMENT == 0) {
      if (fd >= 0 && (fdatasync(fd) != 0 || close(fd) != 0)) fail("fdatasync: %s", strerror(errno));
      fd = next_segment(dir, at);
    }
    write_all(fd, data + at / piece % (BODIES / 4) * piece, piece, (off_t)(at % SEGMENT));
  }
  if (fdatasync(fd) != 0) fail("fdatasync: %s", strerror(errno));
  print_rate((double)bytes / record, now() - started, cpu_seconds() - cpu, (double)bytes);
  return 0;
}

static struct {
  int fd;
  uint8_t* buffers[2];
  size_t bytes;
  bool cached;
  _Atomic size_t next, asked, sum;
} reading;

enum { PIECE = 2 << 20, AHEAD = 16 * PIECE };

// Takes piece after piece, each byte looked at.
static void* read_pieces(void* buffer) {
  for (size_t at; (at = atomic_fetch_add(&reading.next, PIECE)) < reading.bytes;) {
    if (pread(reading.fd, buffer, PIECE, (off_t)at) != PIECE) fail("pread: %s", strerror(errno));
    size_t sum = 0;
    for (size_t i = 0; i < PIECE / sizeof sum; i++) sum ^= ((size_t*)buffer)[i];
    atomic_fetch_xor(&reading.sum, sum);
  }
  return NULL;
}

// The kernel's own reading ahead does not keep a disk busy.
static void* ask_ahead(void* unused) {
  for (size_t at = 0; at < reading.bytes; at += PIECE) {
    while (at > reading.next + AHEAD) usleep(200);
    posix_fadvise(reading.fd, (off_t)at, PIECE, POSIX_FADV_WILLNEED);
  }
  return unused;
}

// A file that was written, synced and dropped from the page cache is read: into the cache and out of it, asked for
// ahead by a second thread, or past it, by two.
int run_read(void) {
  const char *dir = option("dir", NULL), *way = option("way", "cached");
  if (dir == NULL) fail("read needs dir=");
  reading.bytes = (size_t)number("bytes", 1e9) / PIECE * PIECE;
  reading.cached = strcmp(way, "cached") == 0;
  uint8_t* data = random_bodies(PIECE / BODIES);
  int fd = create_file(dir, "read", 0);
  for (size_t at = 0; at < reading.bytes; at += PIECE) write_all(fd, data, PIECE, (off_t)at);
  if (fdatasync(fd) != 0) fail("fdatasync: %s", strerror(errno));
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  char path[4096];
  snprintf(path, sizeof path, "%s/read", dir);
  reading.fd = open(path, O_RDONLY | O_CLOEXEC | (reading.cached ? 0 : O_DIRECT));
  if (reading.fd < 0) fail("open %s: %s", path, strerror(errno));
  for (size_t i = 0; i < 2; i++) {
    reading.buffers[i] = aligned_alloc(4096, PIECE);
    memset(reading.buffers[i], 1, PIECE);
  }
  double cpu = cpu_seconds(), started = now();
  pthread_t helper;
  pthread_create(&helper, NULL, reading.cached ? ask_ahead : read_pieces, reading.buffers[1]);
  read_pieces(reading.buffers[0]);
  pthread_join(helper, NULL);
  double record = number("body", 1024) + 105;
  print_rate((double)reading.bytes / record, now() - started, cpu_seconds() - cpu, (double)reading.bytes);
  return 0;
}

// Latencies by power of two and 64 steps in each: within 1.6 %.
static uint64_t buckets[64][64];

static void count_latency(uint64_t ns) {
  int power = ns < 64 ? 0 : 58 - __builtin_clzll(ns);
  buckets[power][ns >> power & 63]++;
}

static double percentile(double share, uint64_t total) {
  uint64_t wanted = (uint64_t)(share * (double)total), seen = 0;
  for (int power = 0; power < 64; power++) {
    for (int step = power == 0 ? 0 : 32; step < 64; step++) {
      seen += buckets[power][step];
      if (seen > wanted) return (double)((uint64_t)(step + 1) << power) / 1e6;
    }
  }
  return 0;
}

static _Atomic int paced_fd = -1;
static _Atomic bool paced_done;

// What an asynchronous flush policy does: every 500 ms.
static void* flush_now_and_then(void* unused) {
  while (!paced_done) {
    usleep(500000);
    fdatasync(paced_fd);
  }
  return unused;
}

// One pwrite a record on a schedule of `rate` bytes a second. Time counts from the intended start. A stall is more than
// 20 ms between two looks at the clock, whatever they went into: an event loop that stands still is counted in the same
// way.
int run_paced(void) {
  const char* dir = option("dir", NULL);
  double rate = number("rate", 50e6), seconds = number("seconds", 60);
  size_t record = (size_t)number("body", 1024) + 105;
  if (dir == NULL) fail("paced needs dir=");
  uint8_t* bodies = random_bodies(record);
  size_t count = (size_t)(rate * seconds / (double)record), position = 0;
  double interval = (double)record / rate;
  uint64_t stalls = 0;
  paced_fd = next_segment(dir, 0);
  pthread_t flusher;
  pthread_create(&flusher, NULL, flush_now_and_then, NULL);
  double started = now(), looked = started;
  for (size_t i = 0; i < count; i++) {
    double intended = started + (double)i * interval, begun = now();
    while (begun < intended) {
      if (intended - begun > 200e-6) usleep(50);
      begun = now();
      if (begun - looked > 0.020) stalls++;
      looked = begun;
    }
    if (position % SEGMENT + record > SEGMENT) {
      position = (position / SEGMENT + 1) * SEGMENT;
      int full = paced_fd;
      paced_fd = next_segment(dir, position);
      (void)full;  // the flusher may be in it; the process ends soon
    }
    write_all(paced_fd, bodies + (i % BODIES) * record, record, (off_t)(position % SEGMENT));
    position += record;
    double ended = now();
    if (ended - looked > 0.020) stalls++;
    looked = ended;
    count_latency((uint64_t)((ended - intended) * 1e9));
  }
  double took = now() - started;
  paced_done = true;
  printf("{\"rate\":%.0f,\"p50\":%.4f,\"p99\":%.4f,\"p999\":%.4f,\"max\":%.4f,\"stalls\":%llu}\n", (double)count / took,
         percentile(0.5, count), percentile(0.99, count), percentile(0.999, count), percentile(1 - 1e-12, count),
         (unsigned long long)stalls);
  return 0;
}
