// CRC-32 (IEEE), as fast as this processor goes: the compiler is told -march=native, and one of three ways is chosen
// when compiling. x86 folds by carry-less multiplication, 64 bytes at a step where the processor multiplies four lanes
// at once; ARM has an instruction.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint32_t crc_table[256];

static inline void crc_prepare_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ (c & 1 ? 0xEDB88320u : 0);
    crc_table[i] = c;
  }
}

// Continues a CRC (not inverted) byte by byte: the reference, and what is left over by the wide steps.
static inline uint32_t crc_bytes(uint32_t crc, const uint8_t* data, size_t bytes) {
  while (bytes-- > 0) crc = (crc >> 8) ^ crc_table[(crc ^ *data++) & 0xFF];
  return crc;
}

#if defined(__PCLMUL__) && defined(__SSE4_1__)
#include <immintrin.h>

// x^n modulo the polynomial, as the reflected 33-bit constant that folding multiplies by.
static inline uint64_t crc_power(int n) {
  uint32_t r = 1;
  for (int i = 0; i < n; i++) r = (r << 1) ^ (r & 0x80000000u ? 0x04C11DB7u : 0);
  uint64_t reflected = 0;
  for (int bit = 0; bit < 32; bit++) {
    if (r >> bit & 1) reflected |= 1ull << (32 - bit);
  }
  return reflected;
}

static uint64_t crc_by[5][2];  // to move 128 bits ahead by 16, 32, 48, 64 and 256 bytes
static uint64_t crc_k5;

static inline void crc_prepare(void) {
  static const int ahead[5] = {16, 32, 48, 64, 256};
  crc_prepare_table();
  for (int i = 0; i < 5; i++) {
    crc_by[i][0] = crc_power(ahead[i] * 8 + 32);
    crc_by[i][1] = crc_power(ahead[i] * 8 - 32);
  }
  crc_k5 = crc_power(64);
}

static inline __m128i crc_fold(__m128i state, __m128i by, __m128i data) {
  return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(state, by, 0x00), _mm_clmulepi64_si128(state, by, 0x11)),
                       data);
}

static inline __m128i crc_constant(int i) { return _mm_set_epi64x((long long)crc_by[i][1], (long long)crc_by[i][0]); }

// 128 bits to 32: to 96, to 64, then Barrett.
static inline uint32_t crc_reduce(__m128i x) {
  const __m128i low32 = _mm_setr_epi32(-1, 0, 0, 0);
  x = _mm_xor_si128(_mm_clmulepi64_si128(x, crc_constant(0), 0x10), _mm_srli_si128(x, 8));
  x = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(x, low32), _mm_cvtsi64_si128((long long)crc_k5), 0x00),
                    _mm_srli_si128(x, 4));
  const __m128i barrett = _mm_set_epi64x(0x1F7011641, 0x1DB710641);
  __m128i q = _mm_clmulepi64_si128(_mm_and_si128(x, low32), barrett, 0x10);
  q = _mm_clmulepi64_si128(_mm_and_si128(q, low32), barrett, 0x00);
  return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, q), 1);
}

static inline __m128i crc_load(const uint8_t* at) { return _mm_loadu_si128((const __m128i*)at); }

static inline uint32_t crc32_of(const uint8_t* data, size_t bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  if (bytes >= 64) {
    __m128i a, b, c, d;
    const __m128i first = _mm_cvtsi32_si128((int)crc);
#if defined(__VPCLMULQDQ__) && defined(__AVX512F__)
    if (bytes >= 512) {
      const __m512i by = _mm512_set_epi64((long long)crc_by[4][1], (long long)crc_by[4][0], (long long)crc_by[4][1],
                                          (long long)crc_by[4][0], (long long)crc_by[4][1], (long long)crc_by[4][0],
                                          (long long)crc_by[4][1], (long long)crc_by[4][0]);
      const __m512i by64 = _mm512_set_epi64((long long)crc_by[3][1], (long long)crc_by[3][0], (long long)crc_by[3][1],
                                            (long long)crc_by[3][0], (long long)crc_by[3][1], (long long)crc_by[3][0],
                                            (long long)crc_by[3][1], (long long)crc_by[3][0]);
#define CRC_FOLD4(state, k, next)                                                                                     \
  _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(state, k, 0x00), _mm512_clmulepi64_epi128(state, k, 0x11), next, \
                            0x96)
      __m512i w = _mm512_xor_si512(_mm512_loadu_si512(data), _mm512_zextsi128_si512(first));
      __m512i x = _mm512_loadu_si512(data + 64), y = _mm512_loadu_si512(data + 128), z = _mm512_loadu_si512(data + 192);
      for (data += 256, bytes -= 256; bytes >= 256; data += 256, bytes -= 256) {
        w = CRC_FOLD4(w, by, _mm512_loadu_si512(data));
        x = CRC_FOLD4(x, by, _mm512_loadu_si512(data + 64));
        y = CRC_FOLD4(y, by, _mm512_loadu_si512(data + 128));
        z = CRC_FOLD4(z, by, _mm512_loadu_si512(data + 192));
      }
      x = CRC_FOLD4(w, by64, x);
      y = CRC_FOLD4(x, by64, y);
      z = CRC_FOLD4(y, by64, z);
      a = _mm512_extracti32x4_epi32(z, 0);
      b = _mm512_extracti32x4_epi32(z, 1);
      c = _mm512_extracti32x4_epi32(z, 2);
      d = _mm512_extracti32x4_epi32(z, 3);
    } else
#endif
    {
      a = _mm_xor_si128(crc_load(data), first);
      b = crc_load(data + 16);
      c = crc_load(data + 32);
      d = crc_load(data + 48);
      data += 64;
      bytes -= 64;
    }
    const __m128i by64 = crc_constant(3);
    for (; bytes >= 64; data += 64, bytes -= 64) {
      a = crc_fold(a, by64, crc_load(data));
      b = crc_fold(b, by64, crc_load(data + 16));
      c = crc_fold(c, by64, crc_load(data + 32));
      d = crc_fold(d, by64, crc_load(data + 48));
    }
    d = crc_fold(a, crc_constant(2), crc_fold(b, crc_constant(1), crc_fold(c, crc_constant(0), d)));
    for (; bytes >= 16; data += 16, bytes -= 16) d = crc_fold(d, crc_constant(0), crc_load(data));
    crc = crc_reduce(d);
  }
  return ~crc_bytes(crc, data, bytes);
}

#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

static inline void crc_prepare(void) { crc_prepare_table(); }

static inline uint32_t crc32_of(const uint8_t* data, size_t bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (; bytes >= 8; data += 8, bytes -= 8) {
    uint64_t word;
    memcpy(&word, data, 8);
    crc = __crc32d(crc, word);
  }
  return ~crc_bytes(crc, data, bytes);
}

#else

static inline void crc_prepare(void) { crc_prepare_table(); }
static inline uint32_t crc32_of(const uint8_t* data, size_t bytes) { return ~crc_bytes(0xFFFFFFFFu, data, bytes); }

#endif
