// limit query: the messages of a key, found with nothing in memory: the slot, the entries of its chain, the records
// whose hash it is. Each is a read of its own, for each says where the next one lies.
#include "append.h"

static struct {
  int index, *segments;
  size_t record_bytes;
} files;

static void read_at(int fd, void* out, size_t bytes, off_t at) {
  if (pread(fd, out, bytes, at) < 0) fail("pread: %s", strerror(errno));
}

// How many records have this key.
static size_t find(uint8_t* record, const char* key, size_t key_bytes) {
  const uint32_t hash = key_hash(java_hash(key_seed(), key, key_bytes));
  uint8_t slot[SLOT], entry[ENTRY];
  size_t found = 0;
  read_at(files.index, slot, SLOT, slot_at(hash));
  for (uint32_t number = get32(slot); number > 0; number = get32(entry + 16)) {
    read_at(files.index, entry, ENTRY, entry_at(number));
    if (get32(entry) != hash) continue;
    const uint64_t position = get64(entry + 4);
    memset(record, 0, files.record_bytes);
    read_at(files.segments[position / SEGMENT], record, files.record_bytes, (off_t)(position % SEGMENT));
    // The key is what a record ends with.
    if (memcmp(record + get32(record) - key_bytes - 1, "\001", 1) == 0 &&
        memcmp(record + get32(record) - key_bytes, key, key_bytes) == 0)
      found++;
  }
  return found;
}

static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

int run_query(void) {
  const char* dir = option("dir", NULL);
  const size_t queries = (size_t)number("queries", 200);
  struct appended made = append_records();
  if (made.count >= ENTRIES || queries < 1) fail("query needs queries=, and an index of one file");
  drop_files(dir);
  files.record_bytes = record_bytes((size_t)number("body", 1024), 0) + 64;
  files.index = open_file(dir, "index0");
  posix_fadvise(files.index, 0, 0, POSIX_FADV_RANDOM);
  files.segments = calloc(made.end / SEGMENT + 1, sizeof *files.segments);
  for (size_t at = 0; at < made.end; at += SEGMENT) {
    char name[32];
    snprintf(name, sizeof name, "%020zu", at);
    files.segments[at / SEGMENT] = open_file(dir, name);
    posix_fadvise(files.segments[at / SEGMENT], 0, 0, POSIX_FADV_RANDOM);
  }
  uint8_t* record = malloc(files.record_bytes);
  double* times = calloc(queries, sizeof *times);
  uint64_t random[1];
  for (size_t i = 0; i < queries; i++) {
    fill_random((uint8_t*)random, sizeof random, i + 1);
    fill_random((uint8_t*)random, sizeof random, *random);
    char key[24];
    const size_t key_bytes = put_key(key, *random % made.count);
    const double started = now();
    if (find(record, key, key_bytes) != 1) fail("%.*s was not found once", (int)key_bytes, key);
    times[i] = (now() - started) * 1e3;
  }
  qsort(times, queries, sizeof *times, ascending);
  printf("{\"p50\":%.4f,\"p99\":%.4f,\"max\":%.4f}\n", times[queries / 2], times[queries * 99 / 100],
         times[queries - 1]);
  return 0;
}
