// One commit-log record: encoding it, and checking one that lies in memory. The only writer of this layout
// (src/format/record.ts reads it).
//
//  0         4        8     12      16    20           28        36       40        48        48+b       56+b 56+b+s ├
//  length  ┼ magic  ┼ crc ┼ queue ┼ flag┼ queue      ┼ log     ┼ sys    ┼ born    ┼ born    ┼ store    ┼ store   ┼
//  reconsume i32, │         │        │     │ id    │     │ offset     │ offset  │ flag   │ time    │ host    │ time │
//  host    │ prepared offset i64,
//                                                                                                                  body
//                                                                                                                  length
//                                                                                                                  i32,
//                                                                                                                  body,
//                                       topic length i8, topic, properties length i16, properties
// b and s are 8, or 20 for an IPv6 host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bytes.h"

namespace millrace {

constexpr uint32_t kRecordMagic = 0xDAA320A7;    // V1
constexpr uint32_t kRecordMagicV2 = 0xDAA320AB;  // 5.x: the topic's length is an i16
constexpr uint32_t kBlankMagic = 0xCBD43194;     // the rest of the segment is unused
constexpr int kBlankBytes = 8;                   // length and magic; every full segment ends with at least so much
constexpr int kRecordMinBytes = 91;              // no body, topic or properties, IPv4 hosts
constexpr int kMaxTopicBytes = 127;              // a signed byte
constexpr int kMaxPropertiesBytes = 32767;       // a signed short

constexpr int32_t kSysFlagTransactionMask = 0xC;
constexpr int32_t kTransactionNone = 0x0, kTransactionPrepared = 0x4, kTransactionCommit = 0x8,
                  kTransactionRollback = 0xC;
constexpr int32_t kSysFlagBornHostV6 = 0x10, kSysFlagStoreHostV6 = 0x20;

constexpr char kNameEnd = 0x01, kPropertyEnd = 0x02;

struct Host {
  uint8_t address[16];
  uint8_t address_bytes = 0;  // 4 or 16; 0 = none given
  int32_t port = 0;
  int bytes() const { return address_bytes + 4; }
};

constexpr int64_t kBornWhenStored = INT64_MIN;

// What the caller gives. Views must live until the append returns.
struct MessageFields {
  std::string_view topic;
  std::string_view body;
  std::string_view tags;        // becomes the property TAGS
  std::string_view keys;        // becomes KEYS
  std::string_view properties;  // further ones, encoded: name 0x01 value, joined by 0x02; may hold TAGS and KEYS where
                                // the two above are empty
  int32_t queue_id = 0;
  int32_t flag = 0;
  int32_t sys_flag = 0;
  int32_t reconsume_times = 0;
  int64_t born_timestamp = 0;  // or kBornWhenStored
  int64_t prepared_transaction_offset = 0;
  const Host* born_host = nullptr;
  const Host* store_host = nullptr;
};

// The properties that the store itself reads. Views into the property string; empty where absent.
struct KnownProperties {
  std::string_view tags, keys, unique_key, delay, multi_dispatch, multi_queue_offset;
};
// Liberal, as MessageDecoder: pieces end at 0x02, a piece needs a name and a value, a later duplicate wins.
KnownProperties ReadProperties(std::string_view encoded);

// The properties of a record that enters further queues, but for their offsets, which belong at the end: those given,
// without offsets that are older and without WAIT, which RocketMQ leaves out here.
std::string MultiDispatchProperties(std::string_view encoded);

// Java's String.hashCode over UTF-16 of a UTF-8 string; malformed bytes count as U+FFFD.
int32_t JavaHash(std::string_view utf8);

struct RecordSizes {
  int properties;  // bytes of the property string
  int total;
};
RecordSizes SizesOf(const MessageFields& fields);

// What only the append knows.
struct RecordPlace {
  int64_t queue_offset = 0;
  int64_t log_offset = 0;
  int64_t store_timestamp = 0;
};
// `out` has room for sizes.total; `crc` is the body's (BodyCrc). The length and the magic number are written last:
// another process that looks at the mapping while it is written to sees no record before it is whole.
void EncodeRecord(const MessageFields& fields, const RecordSizes& sizes, uint32_t crc, const RecordPlace& place,
                  uint8_t* out);

inline int HostBytes(int32_t sys_flag, int32_t v6_bit) { return (sys_flag & v6_bit) != 0 ? 20 : 8; }

inline void EncodeBlank(uint8_t* out, int32_t bytes_left) {
  Put32(out, static_cast<uint32_t>(bytes_left));
  Put32(out + 4, kBlankMagic);
}

enum class Found {
  kRecord,
  kBlank,
  kEnd,  // eight zero bytes: nothing was written here
  kBadMagic,
  kCut,        // claims more bytes than there are, or a part reaches over its end
  kBadLength,  // the parts do not add up to the length
  kBadCrc,
  kBadOffset,  // whole, but it says that it lies elsewhere
};
const char* FoundName(Found found);

// A record as it lies in memory.
struct RecordView {
  Found found = Found::kEnd;
  int32_t size = 0;
  int32_t queue_id = 0;
  int32_t sys_flag = 0;
  int32_t body_bytes = 0;
  int64_t queue_offset = 0;
  int64_t log_offset = 0;
  int64_t store_timestamp = 0;
  int64_t prepared_transaction_offset = 0;
  std::string_view topic;
  std::string_view properties;
};

// Looks at what lies at `data`, of which `available` bytes may be read. `log_offset` is where it lies, or -1 if that is
// not known.
RecordView CheckRecord(const uint8_t* data, int64_t available, int64_t log_offset, bool check_crc);

}  // namespace millrace
