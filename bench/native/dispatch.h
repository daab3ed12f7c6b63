// Queue units and index entries as the programs of `limit` keep them: units gathered for each queue, entries put into a
// mapped index file of RocketMQ's default size.
#pragma once

#include "limit.h"
#include "record.h"

enum { QUEUES = 4, UNIT = 20, SLOTS = 5000000, ENTRIES = 20000000, INDEX_HEADER = 40, SLOT = 4, ENTRY = 20 };

static inline int32_t java_hash(int32_t seed, const char* text, size_t length) {
  uint32_t h = (uint32_t)seed;
  for (size_t i = 0; i < length; i++) h = h * 31 + (uint8_t)text[i];
  return (int32_t)h;
}

// What an index keeps of a hash.
static inline uint32_t key_hash(int32_t hash) { return hash < 0 ? (uint32_t)-hash : (uint32_t)hash; }

// The hash before a key's own characters: of "topic#".
static inline int32_t key_seed(void) { return java_hash(java_hash(0, TOPIC, TOPIC_BYTES), "#", 1); }

// "key" and a number; gives its length.
static inline size_t put_key(char* key, size_t number) {
  char digits[20];
  size_t n = 0, bytes = 3;
  do digits[n++] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  memcpy(key, "key", 3);
  while (n > 0) key[bytes++] = digits[--n];
  return bytes;
}

// A file each; open only while it is written where there are hundreds.
struct queue {
  const char* dir;
  size_t number;
  int fd;
  uint64_t next;
  size_t held, most;  // units
  uint8_t* units;
};

struct queue* open_queues(const char* dir, size_t count);
void write_units(struct queue* queue);

static inline void put_unit(struct queue* queue, uint64_t position, uint32_t size, int64_t tag_code) {
  put64(put32(put64(queue->units + queue->held * UNIT, position), size), (uint64_t)tag_code);
  queue->next++;
  if (++queue->held == queue->most) write_units(queue);
}

static const size_t index_bytes = INDEX_HEADER + (size_t)SLOT * SLOTS + (size_t)ENTRY * ENTRIES;

// An index file, mapped whole.
struct index {
  const char* dir;
  int files;
  uint8_t* base;
  int64_t begin_ms;
  uint32_t next;
  uint32_t used_slots;
};

static inline off_t slot_at(uint32_t hash) { return INDEX_HEADER + (off_t)SLOT * (hash % SLOTS); }
static inline off_t entry_at(uint32_t number) { return INDEX_HEADER + (off_t)SLOT * SLOTS + (off_t)ENTRY * number; }

// The first file, and each further one when its predecessor is full.
void open_index(struct index* index, const char* dir);
void close_index(struct index* index);

static inline void put_entry(struct index* index, int32_t hash, uint64_t offset, int64_t store_ms) {
  if (index->next == ENTRIES) open_index(index, index->dir);
  uint32_t key = key_hash(hash);
  uint8_t *slot = index->base + slot_at(key), *entry = index->base + entry_at(index->next);
  if (index->next == 1) {
    index->begin_ms = store_ms;
    put64(index->base, (uint64_t)store_ms);
    put64(index->base + 16, offset);
  }
  put32(put64(put32(entry, key), offset), (uint32_t)((store_ms - index->begin_ms) / 1000));
  uint32_t before;
  memcpy(&before, slot, 4);
  memcpy(entry + 16, &before, 4);
  if (before == 0) index->used_slots++;
  put32(slot, index->next++);
  put64(index->base + 8, (uint64_t)store_ms);
  put64(index->base + 24, offset);
  put32(put32(index->base + 32, index->used_slots), index->next);
}
