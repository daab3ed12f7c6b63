// Big-endian integers in memory, as every RocketMQ file has them.
#pragma once

#include <cstdint>
#include <cstring>

namespace millrace {

inline void Put16(uint8_t* p, uint16_t v) {
  v = __builtin_bswap16(v);
  memcpy(p, &v, sizeof v);
}
inline void Put32(uint8_t* p, uint32_t v) {
  v = __builtin_bswap32(v);
  memcpy(p, &v, sizeof v);
}
inline void Put64(uint8_t* p, uint64_t v) {
  v = __builtin_bswap64(v);
  memcpy(p, &v, sizeof v);
}
inline uint16_t Get16(const uint8_t* p) {
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return __builtin_bswap16(v);
}
inline uint32_t Get32(const uint8_t* p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return __builtin_bswap32(v);
}
inline uint64_t Get64(const uint8_t* p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return __builtin_bswap64(v);
}
inline int32_t GetI32(const uint8_t* p) { return static_cast<int32_t>(Get32(p)); }
inline int64_t GetI64(const uint8_t* p) { return static_cast<int64_t>(Get64(p)); }

// The same for aligned words that another thread reads while they change.
inline void Store32(uint8_t* p, uint32_t v) {
  __atomic_store_n(reinterpret_cast<uint32_t*>(p), __builtin_bswap32(v), __ATOMIC_RELEASE);
}
inline uint32_t Load32(const uint8_t* p) {
  return __builtin_bswap32(__atomic_load_n(reinterpret_cast<const uint32_t*>(p), __ATOMIC_ACQUIRE));
}
inline void Store64(uint8_t* p, uint64_t v) {
  __atomic_store_n(reinterpret_cast<uint64_t*>(p), __builtin_bswap64(v), __ATOMIC_RELAXED);
}
inline int64_t LoadI64(const uint8_t* p) {
  return static_cast<int64_t>(
      __builtin_bswap64(__atomic_load_n(reinterpret_cast<const uint64_t*>(p), __ATOMIC_RELAXED)));
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "the files are big-endian and the code swaps: little-endian hosts only");

}  // namespace millrace
