#include "crc32.h"

#include <string_view>
#include <vector>

#include "check.h"

namespace millrace {
namespace {

const uint8_t* Bytes(std::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

TEST("Crc32 of the nine digits is the polynomial's check value") {
  CHECK_EQ(Crc32(Bytes("123456789"), 9), 0xCBF43926u);
}

TEST(
    "Crc32 by the processor's instructions equals Crc32 by tables, for every length and alignment up to a few blocks") {
  std::vector<uint8_t> data(700);
  for (size_t i = 0; i < data.size(); i++) data[i] = static_cast<uint8_t>(i * 167 + (i >> 3));
  for (size_t start = 0; start < 16; start++) {
    for (size_t bytes = 0; start + bytes <= data.size(); bytes++) {
      const uint32_t fast = Crc32(data.data() + start, bytes);
      if (fast != Crc32Table(data.data() + start, bytes)) CHECK_EQ(fast, Crc32Table(data.data() + start, bytes));
    }
  }
}

TEST("BodyCrc has no sign bit, and an empty body has 0") {
  const std::vector<uint8_t> data(1000, 0xFF);
  for (size_t bytes = 1; bytes <= data.size(); bytes++) CHECK_EQ(BodyCrc(data.data(), bytes) >> 31, 0u);
  CHECK_EQ(BodyCrc(data.data(), 0), 0u);
}

}  // namespace
}  // namespace millrace
