#include "dispatch.h"

enum { UNITS_HELD = 4096, ALL_UNITS_BYTES = 32 << 20, KEPT_OPEN = 256 };

static void queue_name(char* name, size_t bytes, size_t number) { snprintf(name, bytes, "queue%zu", number); }

struct queue* open_queues(const char* dir, size_t count) {
  struct queue* queues = calloc(count, sizeof *queues);
  size_t most = ALL_UNITS_BYTES / UNIT / count;
  if (most > UNITS_HELD) most = UNITS_HELD;
  for (size_t i = 0; i < count; i++) {
    char name[32];
    queue_name(name, sizeof name, i);
    queues[i] = (struct queue){dir, i, create_file(dir, name, 0), 0, 0, most, malloc(most * UNIT)};
    memset(queues[i].units, 0, most * UNIT);
    if (count <= KEPT_OPEN) continue;
    close(queues[i].fd);
    queues[i].fd = -1;
  }
  return queues;
}

void write_units(struct queue* queue) {
  if (queue->held == 0) return;
  char name[32];
  queue_name(name, sizeof name, queue->number);
  int fd = queue->fd >= 0 ? queue->fd : open_file(queue->dir, name);
  write_all(fd, queue->units, queue->held * UNIT, (off_t)((queue->next - queue->held) * UNIT));
  if (queue->fd < 0) close(fd);
  queue->held = 0;
}

void open_index(struct index* index, const char* dir) {
  char name[32];
  snprintf(name, sizeof name, "index%d", index->files++);
  int fd = create_file(dir, name, index_bytes);
  close_index(index);
  index->dir = dir;
  index->base = map_file(fd, index_bytes);
  madvise(index->base, index_bytes, MADV_RANDOM);  // no read-ahead of holes
  close(fd);
  index->next = 1;
  index->used_slots = 0;
}

void close_index(struct index* index) {
  if (index->base != NULL) munmap(index->base, index_bytes);
  index->base = NULL;
}
