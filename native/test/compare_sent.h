// Holds a store against what was appended to it: log, queues and index, byte for byte.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "../core/store.h"
#include "scratch.h"

namespace millrace::test {

struct Sent {
  int64_t log_offset = 0, queue_offset = 0;
  std::string record;  // as it lay in the log when its append returned
};

inline std::string At(int64_t offset) { return " at log offset " + std::to_string(offset); }

// Empty when the store holds exactly the first messages of `sent`, `least` to `most` of them, but for those of segments
// below `deleted` that may have been deleted; else what is wrong. *count is how many it holds or once held.
inline std::string Compare(Store& store, const std::vector<Sent>& sent, size_t least, size_t most, int64_t deleted,
                           size_t* count) {
  // The log.
  const int64_t end = store.log().published(), min = store.log().min_offset();
  if (min > deleted) return "the log begins" + At(min) + ", deleted was what lies below " + std::to_string(deleted);
  std::shared_ptr<Segment> segment;
  *count = 0;
  while (*count < sent.size() && sent[*count].log_offset < min) (*count)++;
  int64_t at = min;
  while (at < end) {
    if (!store.log().Find(at, &segment).ok() || !segment) return "no segment" + At(at);
    const int64_t in_file = at - segment->from();
    const RecordView view = CheckRecord(segment->base() + in_file, segment->bytes() - in_file, at, true);
    if (view.found == Found::kBlank) {
      at = segment->end();
      continue;
    }
    if (view.found != Found::kRecord) return std::string(FoundName(view.found)) + At(at);
    if (*count == most) return "a record that nobody had begun to append" + At(at);
    const Sent& expected = sent[*count];
    if (expected.log_offset != at) return "a record" + At(at) + ", expected" + At(expected.log_offset);
    if (expected.record != std::string_view(reinterpret_cast<const char*>(segment->base() + in_file), view.size))
      return "another record than was appended" + At(at);
    at += view.size;
    (*count)++;
  }
  if (*count < least)
    return "messages are lost: " + std::to_string(*count) + " of " + std::to_string(least) + " acknowledged";
  // What follows from the log.
  std::map<std::pair<std::string, int32_t>, std::vector<QueueUnit>> queues;
  std::map<std::pair<std::string, int32_t>, int64_t> gone;    // units below the log
  std::map<int64_t, int64_t> times;                           // store times, by log offset
  std::set<std::tuple<std::string, int32_t, int64_t>> sides;  // units that are in no extension
  std::vector<std::pair<int32_t, int64_t>> entries;
  for (size_t i = 0; i < *count; i++) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(sent[i].record.data());
    const RecordView view = CheckRecord(bytes, static_cast<int64_t>(sent[i].record.size()), -1, false);
    const KnownProperties properties = ReadProperties(view.properties);
    times[sent[i].log_offset] = view.store_timestamp;
    std::vector<QueueUnit>& units = queues[{std::string(view.topic), view.queue_id}];
    if (sent[i].queue_offset != static_cast<int64_t>(units.size())) return "a queue offset given twice or left out";
    if (sent[i].log_offset < min) gone[{std::string(view.topic), view.queue_id}]++;
    units.push_back({sent[i].log_offset, view.size,
                     store.rules().TagCode(view.topic, properties.tags, properties.delay, view.store_timestamp)});
    for (const auto& side : store.rules().SideQueues(properties, view.queue_id)) {
      std::vector<QueueUnit>& others = queues[{std::string(side.topic), side.queue_id}];
      const bool again = !others.empty() && others.back().log_offset == sent[i].log_offset;
      if (side.queue_offset != static_cast<int64_t>(others.size()) - (again ? 1 : 0))
        return "a side queue's offset given twice or left out";
      if (again) continue;
      if (sent[i].log_offset < min) gone[{std::string(side.topic), side.queue_id}]++;
      sides.insert({std::string(side.topic), side.queue_id, sent[i].log_offset});
      others.push_back({sent[i].log_offset, view.size, properties.tags.empty() ? 0 : JavaHash(properties.tags)});
    }
    std::vector<int32_t> hashes;
    DispatchRules::KeyHashes(view.topic, properties.unique_key, properties.keys, &hashes);
    for (const int32_t hash : hashes) entries.push_back({hash, sent[i].log_offset});
  }
  // The queues.
  for (ConsumeQueue* queue : store.queues().All()) {
    const std::string name = queue->topic() + "/" + std::to_string(queue->queue_id());
    const std::vector<QueueUnit> expected = queues[{queue->topic(), queue->queue_id()}];
    const int64_t first = gone[{queue->topic(), queue->queue_id()}];
    queues.erase({queue->topic(), queue->queue_id()});
    if (queue->min_offset() != first || queue->max_offset() != static_cast<int64_t>(expected.size()))
      return "queue " + name + " is [" + std::to_string(queue->min_offset()) + ", " +
             std::to_string(queue->max_offset()) + "), expected [" + std::to_string(first) + ", " +
             std::to_string(expected.size()) + ")";
    for (int64_t offset = first; offset < queue->max_offset();) {
      uint8_t bytes[32 * kUnitBytes];
      int64_t got = 0;
      if (!queue->Read(offset, 32, bytes, &got).ok() || got <= 0) return "queue " + name + " can't be read";
      for (int64_t i = 0; i < got; i++, offset++) {
        const QueueUnit unit = DecodeUnit(bytes + i * kUnitBytes), &wanted = expected[static_cast<size_t>(offset)];
        const bool same_code =
            IsExtensionAddress(unit.tag_code)
                ? queue->extension() &&
                      queue->extension()->Holds(unit.tag_code, wanted.tag_code, times[wanted.log_offset], false)
                : unit.tag_code == wanted.tag_code &&
                      (!queue->extension() || sides.contains({queue->topic(), queue->queue_id(), wanted.log_offset}));
        if (unit.log_offset != wanted.log_offset || unit.size != wanted.size || !same_code)
          return "unit " + std::to_string(offset) + " of queue " + name + " is wrong";
      }
    }
  }
  if (!queues.empty()) return "queue " + queues.begin()->first.first + " is missing";
  // The index: every entry, and by its keys.
  std::vector<std::pair<int32_t, int64_t>> found;
  for (const auto& file : store.index().files())
    for (int32_t number = 1; number < file->next(); number++)
      found.push_back({file->ReadEntry(number).hash, file->ReadEntry(number).log_offset});
  // Whole files go, and only those that point below the log.
  const bool whole = found.size() <= entries.size() && std::equal(found.rbegin(), found.rend(), entries.rbegin());
  if (!whole || (found.size() < entries.size() && entries[entries.size() - found.size() - 1].second >= min))
    return "the index has " + std::to_string(found.size()) + " entries, or others than the " +
           std::to_string(entries.size()) + " of the log, which begins" + At(min);
  for (size_t i = 0; i < *count; i++) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(sent[i].record.data());
    const RecordView view = CheckRecord(bytes, static_cast<int64_t>(sent[i].record.size()), -1, false);
    const KnownProperties properties = ReadProperties(view.properties);
    if (properties.keys.empty() || sent[i].log_offset < min) continue;
    const std::vector<int64_t> offsets = Find(store.index(), view.topic, properties.keys, 100, 0, INT64_MAX);
    if (std::count(offsets.begin(), offsets.end(), sent[i].log_offset) != 1)
      return "the index does not find the record" + At(sent[i].log_offset);
  }
  return {};
}

}  // namespace millrace::test
