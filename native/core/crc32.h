// CRC-32 as zlib and Java have it (polynomial 0x04C11DB7 reflected, initial and final complement).
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

// By carry-less multiplication (x86-64) or the CRC instructions (arm64) where the CPU has them, by tables otherwise.
uint32_t Crc32(const uint8_t* data, size_t bytes);

// The table path alone, and the name of the fast one in use: for the test that holds the two together.
uint32_t Crc32Table(const uint8_t* data, size_t bytes);
const char* Crc32Method();

// What a record carries: 31 bits, so that Java's int is never negative; 0 for an empty body.
inline uint32_t BodyCrc(const uint8_t* data, size_t bytes) { return bytes == 0 ? 0 : Crc32(data, bytes) & 0x7FFFFFFFu; }

}  // namespace millrace
