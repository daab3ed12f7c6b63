#include "record.h"

#include <atomic>

#include "canary.h"
#include "crc32.h"

namespace millrace {

namespace {

constexpr std::string_view kTags = "TAGS", kKeys = "KEYS", kUniqueKey = "UNIQ_KEY", kDelay = "DELAY",
                           kMultiDispatch = "INNER_MULTI_DISPATCH", kMultiQueueOffset = "INNER_MULTI_QUEUE_OFFSET",
                           kWait = "WAIT";

int PieceBytes(std::string_view name, std::string_view value) {
  return value.empty() ? 0 : static_cast<int>(name.size() + 1 + value.size());
}

uint8_t* PutView(uint8_t* out, std::string_view view) {
  if (!view.empty()) memcpy(out, view.data(), view.size());
  return out + view.size();
}

uint8_t* PutPiece(uint8_t* out, bool first, std::string_view name, std::string_view value) {
  if (!first) *out++ = kPropertyEnd;
  out = PutView(out, name);
  *out++ = kNameEnd;
  return PutView(out, value);
}

uint8_t* PutHost(uint8_t* out, const Host& host) {
  memcpy(out, host.address, host.address_bytes);
  Put32(out + host.address_bytes, static_cast<uint32_t>(host.port));
  return out + host.bytes();
}

}  // namespace

KnownProperties ReadProperties(std::string_view encoded) {
  KnownProperties known;
  while (!encoded.empty()) {
    const size_t end = encoded.find(kPropertyEnd);
    const std::string_view piece = encoded.substr(0, end);
    encoded.remove_prefix(end == std::string_view::npos ? encoded.size() : end + 1);
    const size_t split = piece.find(kNameEnd);
    if (split == std::string_view::npos || split == 0 || split + 1 == piece.size()) continue;
    const std::string_view name = piece.substr(0, split), value = piece.substr(split + 1);
    switch (name.size()) {
      case 4:
        if (name == kTags) known.tags = value;
        if (name == kKeys) known.keys = value;
        break;
      case 5:
        if (name == kDelay) known.delay = value;
        break;
      case 8:
        if (name == kUniqueKey) known.unique_key = value;
        break;
      case 20:
        if (name == kMultiDispatch) known.multi_dispatch = value;
        break;
      case 24:
        if (name == kMultiQueueOffset) known.multi_queue_offset = value;
        break;
      default:
        break;
    }
  }
  return known;
}

std::string MultiDispatchProperties(std::string_view encoded) {
  std::string properties;
  while (!encoded.empty()) {
    const size_t end = encoded.find(kPropertyEnd);
    const std::string_view piece = encoded.substr(0, end), name = piece.substr(0, piece.find(kNameEnd));
    encoded.remove_prefix(end == std::string_view::npos ? encoded.size() : end + 1);
    if (piece.empty() || name == kMultiQueueOffset || name == kWait) continue;
    properties.append(piece).push_back(kPropertyEnd);
  }
  properties.append(kMultiQueueOffset).push_back(kNameEnd);
  return properties;
}

int32_t JavaHash(std::string_view utf8) {
  uint32_t hash = 0;
  const auto* p = reinterpret_cast<const uint8_t*>(utf8.data());
  const uint8_t* const end = p + utf8.size();
  while (p < end) {
    uint32_t c = *p++;
    if (c >= 0x80) {
      const int more = c >= 0xF0 && c < 0xF8 ? 3 : c >= 0xE0 && c < 0xF0 ? 2 : c >= 0xC0 && c < 0xE0 ? 1 : 0;
      uint32_t point = c & (0x3Fu >> more);
      int got = 0;
      while (got < more && p < end && (*p & 0xC0) == 0x80) point = (point << 6) | (*p++ & 0x3F), got++;
      c = more == 0 || got < more ? 0xFFFD : point;
      if (c >= 0x10000) {
        hash = 31 * hash + (0xD800 + ((c - 0x10000) >> 10));
        c = 0xDC00 + ((c - 0x10000) & 0x3FF);
      }
    }
    hash = 31 * hash + c;
  }
  return static_cast<int32_t>(hash);
}

RecordSizes SizesOf(const MessageFields& fields) {
  RecordSizes sizes;
  const int keys = PieceBytes(kKeys, fields.keys), tags = PieceBytes(kTags, fields.tags),
            rest = static_cast<int>(fields.properties.size());
  const int pieces = (keys > 0) + (tags > 0) + (rest > 0);
  sizes.properties = keys + tags + rest + (pieces > 1 ? pieces - 1 : 0);
  sizes.total = 80 + fields.born_host->bytes() - 8 + fields.store_host->bytes() - 8 + 4 + 4 +
                static_cast<int>(fields.body.size()) + 1 + static_cast<int>(fields.topic.size()) + 2 + sizes.properties;
  return sizes;
}

void EncodeRecord(const MessageFields& fields, const RecordSizes& sizes, uint32_t crc, const RecordPlace& place,
                  uint8_t* const head) {
  // The two bits say how long the hosts are: they follow from the hosts, whatever the caller gave.
  int32_t sys_flag = fields.sys_flag & ~(kSysFlagBornHostV6 | kSysFlagStoreHostV6);
  if (fields.born_host->address_bytes == 16) sys_flag |= kSysFlagBornHostV6;
  if (fields.store_host->address_bytes == 16) sys_flag |= kSysFlagStoreHostV6;
  Put32(head + 8, crc);
  Put32(head + 12, static_cast<uint32_t>(fields.queue_id));
  Put32(head + 16, static_cast<uint32_t>(fields.flag));
  Put64(head + 20, static_cast<uint64_t>(place.queue_offset));
  Put64(head + 28, static_cast<uint64_t>(place.log_offset));
  Put32(head + 36, static_cast<uint32_t>(sys_flag));
  Put64(head + 40, static_cast<uint64_t>(fields.born_timestamp == kBornWhenStored ? place.store_timestamp
                                                                                  : fields.born_timestamp));
  uint8_t* out = PutHost(head + 48, *fields.born_host);
  Put64(out, static_cast<uint64_t>(place.store_timestamp));
  out = PutHost(out + 8, *fields.store_host);
  Put32(out, static_cast<uint32_t>(fields.reconsume_times));
  Put64(out + 4, static_cast<uint64_t>(fields.prepared_transaction_offset));
  Put32(out + 12, static_cast<uint32_t>(fields.body.size()));
  out = PutView(out + 16, fields.body);
  *out++ = static_cast<uint8_t>(fields.topic.size());
  out = PutView(out, fields.topic);
  Put16(out, static_cast<uint16_t>(sizes.properties));
  out += 2;
  bool first = true;
  if (!fields.keys.empty()) out = PutPiece(out, first, kKeys, fields.keys), first = false;
  if (!fields.tags.empty()) out = PutPiece(out, first, kTags, fields.tags), first = false;
  if (!fields.properties.empty()) {
    if (!first) *out++ = kPropertyEnd;
    PutView(out, fields.properties);
  }
  std::atomic_thread_fence(std::memory_order_release);
  Put32(head + 4, kRecordMagic);
  Put32(head, static_cast<uint32_t>(sizes.total));
}

const char* FoundName(Found found) {
  switch (found) {
    case Found::kRecord:
      return "a record";
    case Found::kBlank:
      return "a blank record";
    case Found::kEnd:
      return "nothing";
    case Found::kBadMagic:
      return "no record's magic number";
    case Found::kCut:
      return "a record that is cut off";
    case Found::kBadLength:
      return "a record whose parts do not add up to its length";
    case Found::kBadCrc:
      return "a record whose body does not match its CRC";
    case Found::kBadOffset:
      return "a record that belongs to another place";
  }
  return "";
}

RecordView CheckRecord(const uint8_t* data, int64_t available, int64_t log_offset, bool check_crc) {
  RecordView view;
  if (available < kBlankBytes) {
    view.found = Found::kCut;
    return view;
  }
  view.size = GetI32(data);
  const uint32_t magic = Get32(data + 4);
  // The other half of EncodeRecord's fence: where the head is there, all that is read from here on is there too (arm64
  // may otherwise have read it before the head). A head seen in part has a length that its parts do not add up to.
  std::atomic_thread_fence(std::memory_order_acquire);
  if (magic == kBlankMagic) {
    // Java writes exactly what is left of the segment; a length that reaches further was not written by it.
    view.found = view.size >= kBlankBytes && view.size <= available ? Found::kBlank : Found::kBadLength;
    return view;
  }
  if (magic != kRecordMagic && magic != kRecordMagicV2) {
    view.found = magic == 0 && view.size == 0 ? Found::kEnd : Found::kBadMagic;
    return view;
  }
  const int topic_length_bytes = magic == kRecordMagicV2 ? 2 : 1;
  if (view.size < kRecordMinBytes || view.size > available) {
    view.found = Found::kCut;
    return view;
  }
  view.queue_id = GetI32(data + 12);
  view.queue_offset = GetI64(data + 20);
  view.log_offset = GetI64(data + 28);
  view.sys_flag = GetI32(data + 36);
  const int born = HostBytes(view.sys_flag, kSysFlagBornHostV6), store = HostBytes(view.sys_flag, kSysFlagStoreHostV6);
  // Everything up to the body's length lies within kRecordMinBytes + 24 at most; each step below asks before it reads.
  int64_t at = 48 + born;
  const auto fits = [&](int64_t bytes) { return at + bytes <= view.size; };
  view.found = Found::kCut;
  if (!fits(8 + store + 16)) return view;
  view.store_timestamp = GetI64(data + at);
  at += 8 + store + 4;
  view.prepared_transaction_offset = GetI64(data + at);
  view.body_bytes = GetI32(data + at + 8);
  at += 12;
  if (view.body_bytes < 0 || !fits(static_cast<int64_t>(view.body_bytes) + topic_length_bytes)) return view;
  const uint8_t* const body = data + at;
  at += view.body_bytes;
  const int topic_bytes =
      topic_length_bytes == 1 ? static_cast<int8_t>(data[at]) : static_cast<int16_t>(Get16(data + at));
  at += topic_length_bytes;
  if (topic_bytes < 0 || !fits(topic_bytes + 2)) return view;
  view.topic = {reinterpret_cast<const char*>(data + at), static_cast<size_t>(topic_bytes)};
  at += topic_bytes;
  const int properties_bytes = static_cast<int16_t>(Get16(data + at));
  at += 2;
  if (properties_bytes < 0 || !fits(properties_bytes)) return view;
  view.properties = {reinterpret_cast<const char*>(data + at), static_cast<size_t>(properties_bytes)};
  at += properties_bytes;
  if (at != view.size) {
    view.found = Found::kBadLength;
  } else if (log_offset >= 0 && view.log_offset != log_offset) {
    view.found = Found::kBadOffset;
  } else if (check_crc && !Sings(Canary::kNoCrc) && view.body_bytes > 0 &&
             BodyCrc(body, static_cast<size_t>(view.body_bytes)) != Get32(data + 8)) {
    view.found = Found::kBadCrc;
  } else {
    view.found = Found::kRecord;
  }
  return view;
}

}  // namespace millrace
