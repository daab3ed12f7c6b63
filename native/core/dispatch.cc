#include "dispatch.h"

#include <charconv>

#include "consume_queue.h"
#include "index_file.h"

namespace millrace {

namespace {

constexpr std::string_view kDelayTopic = "SCHEDULE_TOPIC_XXXX";
constexpr std::string_view kLmqPrefix = "%LMQ%";
constexpr int64_t kUnknownLevelMs = 1000;

constexpr std::string_view kBlank = " \t\n\v\f\r\x1c\x1d\x1e\x1f";

// As Java's String.split: empty parts at the end are none.
std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  while (!parts.empty() && parts.back().empty()) parts.pop_back();
  return parts;
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

bool DispatchRules::IsLight(std::string_view topic) { return topic.substr(0, kLmqPrefix.size()) == kLmqPrefix; }

std::vector<DispatchRules::SideQueue> DispatchRules::NamedQueues(std::string_view names, int32_t queue_id) const {
  std::vector<SideQueue> queues;
  if (names.find_first_not_of(kBlank) == std::string_view::npos) return queues;
  for (const std::string_view name : Split(names, ','))
    queues.push_back({name, lmq_ && IsLight(name) ? 0 : queue_id, 0});
  return queues;
}

std::vector<DispatchRules::SideQueue> DispatchRules::SideQueues(const KnownProperties& properties,
                                                                int32_t queue_id) const {
  if (properties.multi_dispatch.empty() || properties.multi_queue_offset.empty()) return {};
  std::vector<SideQueue> queues = NamedQueues(properties.multi_dispatch, queue_id);
  const auto offsets = Split(properties.multi_queue_offset, ',');
  if (queues.size() != offsets.size()) return {};
  for (size_t i = 0; i < queues.size(); i++)
    if (!ParseNumber(offsets[i], &queues[i].queue_offset)) return {};
  return queues;
}

ConsumeQueue* DispatchRules::Find(const SideQueue& side, ConsumeQueues* queues) const {
  ConsumeQueue* known = queues->Get(side.topic, side.queue_id);
  if (known == nullptr && !lmq_ && IsLight(side.topic)) known = queues->Get(side.topic, 0);
  return known != nullptr || !multi_dispatch_ ? known : queues->GetOrMake(side.topic, side.queue_id);
}

}  // namespace millrace
