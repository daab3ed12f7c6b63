// limit queues: what the folders and files of so many queues cost the kernel and the disk. `count` of them below
// `topics` folders, each with a sparse file of RocketMQ's length that holds `units` units, none of them kept open.
//   rate, syncedRate        made a second; made and on disk
//   slabBytes               what a queue takes of the kernel's slab, `rest` seconds later
//   writeSeconds            20 bytes more into each file,
//   syncMilliseconds        and one syncfs for all of them
//   readMilliseconds        folders listed, each file opened and its last unit read: all that an opening has to look at
#include "limit.h"

#include <dirent.h>

enum { UNIT = 20, FILE_BYTES = 6000000, TOPIC_DIGITS = 4 };

// What is in use of it, where that can be read (by root): what was freed before stays in the slab, and whoever comes
// next takes it first. Else the whole slab.
static size_t slab_bytes(void) {
  size_t slab = 0, active, bytes;
  char line[512];
  FILE* file = fopen("/proc/slabinfo", "r");
  if (file != NULL) {
    while (fgets(line, sizeof line, file) != NULL)
      if (sscanf(line, "%*s %zu %*u %zu", &active, &bytes) == 2) slab += active * bytes;
    fclose(file);
    return slab;
  }
  file = fopen("/proc/meminfo", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "Slab: %zu", &slab) == 1) break;
  if (file != NULL) fclose(file);
  return slab * KIB;
}

static void make_folder(const char* path) {
  if (mkdir(path, 0755) != 0) fail("mkdir %s: %s", path, strerror(errno));
}

static void name_queue(char* path, size_t bytes, const char* root, size_t queue, size_t topics) {
  snprintf(path, bytes, "%s/t%0*zu/%zu", root, TOPIC_DIGITS, queue % topics, queue / topics);
}

static int open_queue(const char* root, size_t queue, size_t topics) {
  char path[4096];
  name_queue(path, sizeof path, root, queue, topics);
  return open_file(path, "00000000000000000000");
}

static double sync_all(int fd) {
  const double started = now();
  if (syncfs(fd) != 0) fail("syncfs: %s", strerror(errno));
  return now() - started;
}

static size_t list(const char* path, void (*visit)(const char* path)) {
  DIR* folder = opendir(path);
  size_t entries = 0;
  if (folder == NULL) fail("opendir %s: %s", path, strerror(errno));
  for (struct dirent* entry; (entry = readdir(folder)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    char child[4096];
    snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
    if (visit != NULL) visit(child);
    entries++;
  }
  closedir(folder);
  return entries;
}

static size_t read_files;
static off_t last_unit;

static void read_file(const char* path) {
  uint8_t unit[UNIT];
  struct stat info;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &info) != 0) fail("open %s: %s", path, strerror(errno));
  if (info.st_size != FILE_BYTES || pread(fd, unit, UNIT, last_unit) != UNIT) fail("%s is short", path);
  close(fd);
  read_files++;
}

static void list_queue(const char* path) { list(path, read_file); }
static void list_topic(const char* path) { list(path, list_queue); }

int run_queues(void) {
  const char* dir = option("dir", NULL);
  const size_t count = (size_t)number("count", 50000), topics = (size_t)number("topics", 200),
               units = (size_t)number("units", 1);
  if (dir == NULL || count < topics || topics < 1 || units < 1) fail("queues needs dir=, topics= and units=");
  uint8_t* bytes = random_bodies((units + 1) * UNIT);
  char root[4000], path[4096];
  snprintf(root, sizeof root, "%s/consumequeue", dir);
  mkdir(dir, 0755);
  make_folder(root);
  const int file_system = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const size_t slab = slab_bytes();

  const double started = now();
  for (size_t i = 0; i < count; i++) {
    if (i < topics) {
      snprintf(path, sizeof path, "%s/t%0*zu", root, TOPIC_DIGITS, i);
      make_folder(path);
    }
    name_queue(path, sizeof path, root, i, topics);
    make_folder(path);
    const int fd = create_file(path, "00000000000000000000", FILE_BYTES);
    write_all(fd, bytes, units * UNIT, 0);
    close(fd);
  }
  const double made = now() - started, synced = made + sync_all(file_system);
  const double rest = number("rest", 0);
  usleep((useconds_t)(rest * 1e6));
  const double slab_a_queue = ((double)slab_bytes() - (double)slab) / (double)count;

  const double writing = now();
  for (size_t i = 0; i < count; i++) {
    const int fd = open_queue(root, i, topics);
    write_all(fd, bytes, UNIT, (off_t)(units * UNIT));
    close(fd);
  }
  const double wrote = now() - writing, sync_seconds = sync_all(file_system);

  last_unit = (off_t)(units * UNIT);
  const double reading = now();
  list(root, list_topic);
  if (read_files != count) fail("%zu of %zu files were read", read_files, count);
  printf(
      "{\"rate\":%.0f,\"syncedRate\":%.0f,\"slabBytes\":%.1f,\"writeSeconds\":%.4f,\"syncMilliseconds\":%.4f,"
      "\"readMilliseconds\":%.4f}\n",
      (double)count / made, (double)count / synced, slab_a_queue, wrote, sync_seconds * 1e3, (now() - reading) * 1e3);
  return 0;
}
