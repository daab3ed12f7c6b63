#include "dispatch.h"

#include <charconv>

#include "index_file.h"

namespace millrace {

namespace {

constexpr std::string_view kDelayTopic = "SCHEDULE_TOPIC_XXXX";
constexpr std::string_view kLmqPrefix = "%LMQ%";
constexpr int64_t kUnknownLevelMs = 1000;

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool ParseNumber(std::string_view text, int64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

bool DispatchRules::IsDelayed(std::string_view topic, std::string_view delay) {
  return !delay.empty() && topic == kDelayTopic;
}

int64_t DispatchRules::TagCode(std::string_view topic, std::string_view tags, std::string_view delay,
                               int64_t store_timestamp) const {
  int64_t level = 0;
  if (IsDelayed(topic, delay) && ParseNumber(delay, &level) && level > 0) {
    const auto max = static_cast<int64_t>(delay_levels_ms_.size());
    if (level > max) level = max;
    return store_timestamp + (level > 0 ? delay_levels_ms_[static_cast<size_t>(level - 1)] : kUnknownLevelMs);
  }
  return tags.empty() ? 0 : JavaHash(tags);
}

void DispatchRules::KeyHashes(std::string_view topic, std::string_view unique_key, std::string_view keys,
                              std::vector<int32_t>* hashes) {
  if (!unique_key.empty()) hashes->push_back(IndexKeyHash(topic, unique_key));
  while (!keys.empty()) {
    const size_t end = keys.find(' ');
    if (end != 0) hashes->push_back(IndexKeyHash(topic, keys.substr(0, end)));
    if (end == std::string_view::npos) return;
    keys.remove_prefix(end + 1);
  }
}

std::vector<DispatchRules::SideQueue> DispatchRules::SideQueues(const KnownProperties& properties,
                                                                int32_t queue_id) const {
  std::vector<SideQueue> queues;
  if (properties.multi_dispatch.empty() || properties.multi_queue_offset.empty()) return queues;
  const auto names = Split(properties.multi_dispatch, ','), offsets = Split(properties.multi_queue_offset, ',');
  if (names.size() != offsets.size()) return queues;
  for (size_t i = 0; i < names.size(); i++) {
    SideQueue queue{std::string(names[i]), queue_id, 0};
    if (!ParseNumber(offsets[i], &queue.queue_offset)) return {};
    if (lmq_ && names[i].substr(0, kLmqPrefix.size()) == kLmqPrefix) queue.queue_id = 0;
    queues.push_back(std::move(queue));
  }
  return queues;
}

}  // namespace millrace
