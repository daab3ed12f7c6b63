#include "crc32.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include "platform.h"
#endif

namespace millrace {
namespace {

constexpr uint32_t kPolynomial = 0xEDB88320;  // 0x04C11DB7 with its bits reversed

// Eight tables: table[k][b] is the CRC of byte b followed by k zero bytes, so eight bytes are folded in one step.
constexpr std::array<std::array<uint32_t, 256>, 8> MakeTables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t b = 0; b < 256; b++) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][b] = crc;
  }
  for (size_t k = 1; k < 8; k++)
    for (size_t b = 0; b < 256; b++) tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xFF];
  return tables;
}
constexpr auto kTables = MakeTables();

// `state` is the register without the initial and final complement.
uint32_t UpdateByTable(uint32_t state, const uint8_t* p, size_t n) {
  for (; n >= 8; p += 8, n -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    word ^= state;
    state = kTables[7][word & 0xFF] ^ kTables[6][(word >> 8) & 0xFF] ^ kTables[5][(word >> 16) & 0xFF] ^
            kTables[4][(word >> 24) & 0xFF] ^ kTables[3][(word >> 32) & 0xFF] ^ kTables[2][(word >> 40) & 0xFF] ^
            kTables[1][(word >> 48) & 0xFF] ^ kTables[0][word >> 56];
  }
  for (; n > 0; p++, n--) state = (state >> 8) ^ kTables[0][(state ^ *p) & 0xFF];
  return state;
}

using Update = uint32_t (*)(uint32_t, const uint8_t*, size_t);

#if defined(__x86_64__)

// Folding by carry-less multiplication: a 128-bit accumulator A standing d bits before the next block B is replaced by
// A.low * (x^(d+64) mod P) ^ A.high * (x^d mod P) ^ B. The constants are those remainders, bit-reflected; computed here
// instead of copied.
constexpr uint64_t Reflected(
    int power) {  // x^power mod P, reflected into 33 bits (the multiplication of reflected values is one bit short)
  uint32_t remainder = 0x80000000u;  // x^0 in the reflected register
  for (int i = 0; i < power; i++) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? kPolynomial : 0);
  return static_cast<uint64_t>(remainder) << 1;
}

template <int kBits>
__attribute__((target("pclmul,sse4.1"), always_inline)) inline __m128i Fold(__m128i a, __m128i b) {
  constexpr auto kLow = static_cast<long long>(Reflected(kBits + 32)),
                 kHigh = static_cast<long long>(Reflected(kBits - 32));
  const __m128i k = _mm_set_epi64x(kHigh, kLow);
  return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(a, k, 0x00), _mm_clmulepi64_si128(a, k, 0x11)), b);
}

// P, and what times P is 1 but for powers from x^32 on; both reflected.
constexpr uint64_t kP = uint64_t{kPolynomial} << 1 | 1;
constexpr uint64_t InverseOfP() {
  uint64_t rest = 1, inverse = 0;
  for (int i = 0; i < 32; i++) {
    if ((rest >> i & 1) == 0) continue;
    inverse |= uint64_t{1} << i;
    rest ^= kP << i;
  }
  return inverse;
}

// The CRC of 16 bytes, folded to 96 bits, to 64, and reduced: that multiple of P is added which leaves the upper 32.
__attribute__((target("pclmul,sse4.1"), always_inline)) inline uint32_t Reduce(__m128i a) {
  constexpr auto k64 = static_cast<long long>(Reflected(64)), k96 = static_cast<long long>(Reflected(96));
  const __m128i k = _mm_set_epi64x(k96, k64),
                p = _mm_set_epi64x(static_cast<long long>(InverseOfP()), static_cast<long long>(kP)),
                low = _mm_set_epi64x(0, 0xFFFFFFFF);
  a = _mm_xor_si128(_mm_clmulepi64_si128(a, k, 0x10), _mm_srli_si128(a, 8));
  a = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low), k, 0x00), _mm_srli_si128(a, 4));
  const __m128i q = _mm_and_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low), p, 0x10), low);
  return static_cast<uint32_t>(_mm_extract_epi32(_mm_xor_si128(_mm_clmulepi64_si128(q, p, 0x00), a), 1));
}

__attribute__((target("pclmul,sse4.1"))) uint32_t UpdateByMultiplication(uint32_t state, const uint8_t* p, size_t n) {
  if (n < 16) return UpdateByTable(state, p, n);
  const auto load = [](const uint8_t* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); };
  __m128i a = _mm_xor_si128(load(p), _mm_cvtsi32_si128(static_cast<int>(state)));
  if (n < 64) {
    p += 16, n -= 16;
  } else {
    __m128i a1 = load(p + 16), a2 = load(p + 32), a3 = load(p + 48);
    p += 64, n -= 64;
    for (; n >= 64; p += 64, n -= 64) {
      a = Fold<512>(a, load(p));
      a1 = Fold<512>(a1, load(p + 16));
      a2 = Fold<512>(a2, load(p + 32));
      a3 = Fold<512>(a3, load(p + 48));
    }
    a = Fold<128>(Fold<128>(Fold<128>(a, a1), a2), a3);
  }
  for (; n >= 16; p += 16, n -= 16) a = Fold<128>(a, load(p));
  return UpdateByTable(Reduce(a), p, n);
}

// The same with four 512-bit accumulators, for bodies of 256 bytes and more.
#define MILLRACE_WIDE __attribute__((target("avx,avx512f,avx512vl,vpclmulqdq,pclmul")))

template <int kBits>
MILLRACE_WIDE __attribute__((always_inline)) inline __m512i WideFold(__m512i a, __m512i b) {
  constexpr auto kLow = static_cast<long long>(Reflected(kBits + 32)),
                 kHigh = static_cast<long long>(Reflected(kBits - 32));
  const __m512i k = _mm512_set_epi64(kHigh, kLow, kHigh, kLow, kHigh, kLow, kHigh, kLow);
  return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(a, k, 0x00), _mm512_clmulepi64_epi128(a, k, 0x11), b,
                                   0x96);  // a xor of three
}

MILLRACE_WIDE uint32_t UpdateByWideMultiplication(uint32_t state, const uint8_t* p, size_t n) {
  if (n < 256) return UpdateByMultiplication(state, p, n);
  __m512i a0 = _mm512_xor_si512(_mm512_loadu_si512(p), _mm512_set_epi64(0, 0, 0, 0, 0, 0, 0, state));
  __m512i a1 = _mm512_loadu_si512(p + 64), a2 = _mm512_loadu_si512(p + 128), a3 = _mm512_loadu_si512(p + 192);
  p += 256, n -= 256;
  for (; n >= 256; p += 256, n -= 256) {
    a0 = WideFold<2048>(a0, _mm512_loadu_si512(p));
    a1 = WideFold<2048>(a1, _mm512_loadu_si512(p + 64));
    a2 = WideFold<2048>(a2, _mm512_loadu_si512(p + 128));
    a3 = WideFold<2048>(a3, _mm512_loadu_si512(p + 192));
  }
  __m512i a = WideFold<512>(WideFold<512>(WideFold<512>(a0, a1), a2), a3);
  for (; n >= 64; p += 64, n -= 64) a = WideFold<512>(a, _mm512_loadu_si512(p));
  uint8_t last[64];
  _mm512_storeu_si512(last, a);
  const uint32_t folded = UpdateByMultiplication(0, last, 64);
  // The caller is SSE code: with the upper halves of the registers in use, each change between the two kinds of code
  // costs 170 ns here, seven times what the sum of 1 KiB takes. (GCC puts its own too early.)
  _mm256_zeroupper();
  return UpdateByTable(folded, p, n);
}

Update Choose(const char** name) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
    *name = "vpclmulqdq";
    return UpdateByWideMultiplication;
  }
  if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
    *name = "pclmulqdq";
    return UpdateByMultiplication;
  }
  *name = "table";
  return UpdateByTable;
}

#elif defined(__aarch64__)

// The compilers' own names: what <arm_acle.h> declares depends on the options that the file is compiled with.
#if defined(__clang__)
#define MILLRACE_CRC __attribute__((target("crc")))
#define MILLRACE_CRC_8 __builtin_arm_crc32b
#define MILLRACE_CRC_64 __builtin_arm_crc32d
#else
#define MILLRACE_CRC __attribute__((target("+crc")))
#define MILLRACE_CRC_8 __builtin_aarch64_crc32b
#define MILLRACE_CRC_64 __builtin_aarch64_crc32x
#endif

MILLRACE_CRC uint32_t UpdateByInstruction(uint32_t state, const uint8_t* p, size_t n) {
  for (; n >= 8; p += 8, n -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    state = MILLRACE_CRC_64(state, word);
  }
  for (; n > 0; p++, n--) state = MILLRACE_CRC_8(state, *p);
  return state;
}

Update Choose(const char** name) {
  const bool has = platform::HasCrcInstructions();
  *name = has ? "crc32x" : "table";
  return has ? UpdateByInstruction : UpdateByTable;
}

#else

Update Choose(const char** name) {
  *name = "table";
  return UpdateByTable;
}

#endif

const char* method_name = nullptr;
const Update update = Choose(&method_name);

}  // namespace

uint32_t Crc32(const uint8_t* data, size_t bytes) { return ~update(~0u, data, bytes); }
uint32_t Crc32Table(const uint8_t* data, size_t bytes) { return ~UpdateByTable(~0u, data, bytes); }
const char* Crc32Method() { return method_name; }

}  // namespace millrace
