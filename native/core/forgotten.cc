#include "forgotten.h"

#include <algorithm>

#include "bytes.h"
#include "checkpoint.h"
#include "crc32.h"

namespace millrace {

namespace {

constexpr uint64_t kMagic = 0x4D5252464F524731;  // "MRRFORG1"
constexpr size_t kHeadBytes = 16, kRowBytes = 9, kCrcBytes = 4;
constexpr size_t kMostBytes = size_t{1} << 30;

}  // namespace

Status Forgotten::Load() {
  std::vector<uint8_t> bytes;
  bool exists = false;
  MILLRACE_RETURN_IF_ERROR(ReadWhole(files_, path_, kMostBytes, &bytes, &exists));
  if (!exists || bytes.size() < kHeadBytes + kCrcBytes || Get64(bytes.data()) != kMagic) return Status::Ok();
  const uint8_t* const end = bytes.data() + bytes.size() - kCrcBytes;
  if (Get32(end) != Crc32(bytes.data(), bytes.size() - kCrcBytes)) return Status::Ok();
  const uint8_t* row = bytes.data() + kHeadBytes;
  for (int64_t count = GetI64(bytes.data() + 8); count > 0 && end - row >= static_cast<ptrdiff_t>(kRowBytes); count--) {
    const size_t topic_bytes = row[0];
    if (static_cast<size_t>(end - row) < kRowBytes + topic_bytes) break;
    topics_[std::string(reinterpret_cast<const char*>(row + kRowBytes), topic_bytes)] = GetI64(row + 1);
    row += kRowBytes + topic_bytes;
  }
  return Status::Ok();
}

int64_t Forgotten::To(std::string_view topic) const {
  const auto found = topics_.find(topic);
  return found == topics_.end() ? 0 : found->second;
}

Status Forgotten::Forget(std::string_view topic, int64_t to, int64_t log_min) {
  const auto before = topics_;
  std::erase_if(topics_, [&](const auto& known) { return known.second <= log_min; });
  topics_[std::string(topic)] = to;
  Status status = Write();
  if (!status.ok()) topics_ = before;
  return status;
}

Status Forgotten::CutAt(int64_t log_end, bool writable) {
  bool changed = false;
  for (auto& [topic, to] : topics_) {
    changed = changed || to > log_end;
    to = std::min(to, log_end);
  }
  return changed && writable ? Write() : Status::Ok();
}

Status Forgotten::Write() const {
  std::vector<uint8_t> bytes(kHeadBytes);
  Put64(bytes.data(), kMagic);
  Put64(bytes.data() + 8, topics_.size());
  for (const auto& [topic, to] : topics_) {
    const size_t at = bytes.size();
    bytes.resize(at + kRowBytes);
    bytes[at] = static_cast<uint8_t>(topic.size());
    Put64(bytes.data() + at + 1, static_cast<uint64_t>(to));
    bytes.insert(bytes.end(), topic.begin(), topic.end());
  }
  const uint32_t crc = Crc32(bytes.data(), bytes.size());
  bytes.resize(bytes.size() + kCrcBytes);
  Put32(bytes.data() + bytes.size() - kCrcBytes, crc);
  return ReplaceWhole(files_, work_, path_, bytes);
}

}  // namespace millrace
