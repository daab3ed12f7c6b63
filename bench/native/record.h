// A V1 record as the programs of `limit` build it, straight into memory.
#pragma once

#include "crc.h"
#include "limit.h"

#define TOPIC "bench"
enum { TOPIC_BYTES = sizeof TOPIC - 1, TAG_BYTES = 9, KEYS_NAME_BYTES = 6 };

static inline uint8_t* put16(uint8_t* at, uint16_t v) {
  v = __builtin_bswap16(v);
  return (uint8_t*)memcpy(at, &v, 2) + 2;
}
static inline uint8_t* put32(uint8_t* at, uint32_t v) {
  v = __builtin_bswap32(v);
  return (uint8_t*)memcpy(at, &v, 4) + 4;
}
static inline uint8_t* put64(uint8_t* at, uint64_t v) {
  v = __builtin_bswap64(v);
  return (uint8_t*)memcpy(at, &v, 8) + 8;
}
static inline uint32_t get32(const uint8_t* at) {
  uint32_t v;
  memcpy(&v, at, 4);
  return __builtin_bswap32(v);
}
static inline uint64_t get64(const uint8_t* at) { return (uint64_t)get32(at) << 32 | get32(at + 4); }
static inline uint8_t* put_text(uint8_t* at, const char* text, size_t length) {
  return (uint8_t*)memcpy(at, text, length) + length;
}

struct record {
  const uint8_t* body;
  size_t body_bytes;
  uint32_t queue;
  uint64_t queue_offset, position;
  int64_t time_ms;
  const char* key;  // or none of no bytes
  size_t key_bytes;
};

static inline uint32_t record_bytes(size_t body_bytes, size_t key_bytes) {
  return (uint32_t)(91 + body_bytes + TOPIC_BYTES + TAG_BYTES + (key_bytes > 0 ? KEYS_NAME_BYTES + key_bytes : 0));
}

static inline uint8_t* put_record(uint8_t* at, const struct record* record) {
  uint16_t property_bytes = (uint16_t)(record_bytes(0, record->key_bytes) - record_bytes(0, 0) + TAG_BYTES);
  uint8_t* p = put32(put32(at, record_bytes(record->body_bytes, record->key_bytes)), 0xDAA320A7);
  p = put32(p, crc32_of(record->body, record->body_bytes) & 0x7FFFFFFF);
  p = put32(put32(p, record->queue), 0);
  p = put64(put64(p, record->queue_offset), record->position);
  p = put64(put32(p, 0), (uint64_t)record->time_ms);
  p = put32(put32(p, 0x7F000001), 10911);
  p = put64(p, (uint64_t)record->time_ms);
  p = put32(put32(p, 0x7F000001), 10911);
  p = put64(put32(p, 0), 0);
  p = put32(p, (uint32_t)record->body_bytes);
  p = put_text(p, (const char*)record->body, record->body_bytes);
  *p++ = (uint8_t)TOPIC_BYTES;
  p = put16(put_text(p, TOPIC, TOPIC_BYTES), property_bytes);
  p = put_text(p, "TAGS\001tagA", TAG_BYTES);
  if (record->key_bytes > 0) p = put_text(put_text(p, "\002KEYS\001", KEYS_NAME_BYTES), record->key, record->key_bytes);
  return p;
}
