// limit NAME key=value…: what the machine allows, in plain C. Prints one JSON object.
//
//   append  dir= count= body= keys=0|1 queues= write=pwrite|mapped    records, queue units, index entries of so many
//                                         messages
//   query   the same, queries=            messages found by their key, with nothing of log and index in memory
//   rebuild the same                      queue units and index entries made again from the log
//   queues  dir= count= topics= units= rest=    the folders and files of so many queues: made, written to once more and
//                                         synced, read
//   writers dir= count= body= threads=    the same records by several threads and without a lock
//   sync    dir= count= body= way=extend|unwritten|zeroed|mapped|threads    one fdatasync a record
//   stream  dir= bytes=                   so many bytes in segments, synced at the end
//   read    dir= bytes= way=cached|direct    a file that is in no memory, read
//   paced   dir= rate= seconds= body=     open loop: latency from the intended start, and stalls
//   raw     dir= way=memcpy|pwrite|gathered bytes= piece=    nothing but the copy
//   gather  dir= count= piece= threads=    records of four queues copied 32 at a time
//   send    dir= bytes= what=range|page|scattered way=sendfile|writev    a file over TCP to another process
//   receive port=                         reads until the end: the other process of `send`, and of ours
//   load    port= pid= mode=send|pull|hold    requests to a broker; more in load.c
//   warm    dir= bytes=                   writes and deletes a file, and holds free memory for a moment: the next run
//                                         meets pages that were used and that no host has been given back
//   drop    dir=                          drops the files below a folder from the page cache, and checks it
//   check                                 the fast CRC against the slow one
#include "limit.h"

static int argument_count;
static char** arguments;

const char* option(const char* name, const char* fallback) {
  size_t length = strlen(name);
  for (int i = 2; i < argument_count; i++) {
    if (strncmp(arguments[i], name, length) == 0 && arguments[i][length] == '=') return arguments[i] + length + 1;
  }
  return fallback;
}

double number(const char* name, double fallback) {
  const char* text = option(name, NULL);
  return text == NULL ? fallback : strtod(text, NULL);
}

void fail(const char* format, ...) {
  va_list list;
  va_start(list, format);
  fprintf(stderr, "limit: ");
  vfprintf(stderr, format, list);
  fprintf(stderr, "\n");
  va_end(list);
  exit(1);
}

double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int create_file(const char* dir, const char* name, size_t bytes) {
  char path[4096];
  mkdir(dir, 0777);
  snprintf(path, sizeof path, "%s/%s", dir, name);
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) fail("open %s: %s", path, strerror(errno));
  if (bytes > 0 && ftruncate(fd, (off_t)bytes) != 0) fail("ftruncate %s: %s", path, strerror(errno));
  return fd;
}

int open_file(const char* dir, const char* name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) fail("open %s: %s", path, strerror(errno));
  return fd;
}

void write_all(int fd, const void* data, size_t bytes, off_t offset) {
  const uint8_t* at = data;
  while (bytes > 0) {
    ssize_t wrote = pwrite(fd, at, bytes, offset);
    if (wrote < 0) {
      if (errno == EINTR) continue;
      fail("pwrite: %s", strerror(errno));
    }
    at += wrote;
    offset += wrote;
    bytes -= (size_t)wrote;
  }
}

void* map_file(int fd, size_t bytes) {
  void* base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) fail("mmap: %s", strerror(errno));
  return base;
}

void fill_random(uint8_t* out, size_t bytes, uint64_t seed) {
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    memcpy(out + i, &seed, 8);
  }
}

uint8_t* random_bodies(size_t body_bytes) {
  uint8_t* bodies = malloc(BODIES * body_bytes + 8);
  fill_random(bodies, BODIES * body_bytes, 0x9E3779B97F4A7C15u);
  return bodies;
}

void print_rate(double messages, double seconds, double cpu, double bytes) {
  printf("{\"count\":%.0f,\"rate\":%.0f,\"cpuMicroseconds\":%.4f,\"bytesPerSecond\":%.0f,\"seconds\":%.6f}\n", messages,
         messages / seconds, cpu * 1e6 / messages, bytes / seconds, seconds);
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    int (*run)(void);
  } commands[] = {{"append", run_append},   {"query", run_query}, {"rebuild", run_rebuild}, {"queues", run_queues},
                  {"writers", run_writers}, {"sync", run_sync},   {"stream", run_stream},   {"read", run_read},
                  {"paced", run_paced},     {"raw", run_raw},     {"gather", run_gather},   {"send", run_send},
                  {"receive", run_receive}, {"load", run_load},   {"warm", run_warm},       {"drop", run_drop},
                  {"check", run_check}};
  argument_count = argc;
  arguments = argv;
  for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++) {
    if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run();
  }
  fail(
      "usage: limit append|query|rebuild|queues|writers|sync|stream|read|paced|raw|gather|send|receive|load|warm|drop|"
      "check key=value…");
}
