// What the store's tests share: a folder that goes when the test ends, a store with tiny files, and a message in a
// line.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "../core/store.h"

namespace millrace::test {

class Scratch {
 public:
  Scratch() {
    char name[] = "/tmp/millrace-native-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline Host LocalHost() {
  Host host;
  host.address_bytes = 4;
  memcpy(host.address, "\x7f\0\0\1", 4);
  host.port = 10911;
  return host;
}

// What the index says of a key.
inline std::vector<int64_t> Find(const IndexFiles& index, std::string_view topic, std::string_view key, size_t limit,
                                 int64_t begin, int64_t end) {
  std::vector<int64_t> offsets;
  return index.Query(topic, key, limit, begin, end, &offsets).ok() ? offsets : std::vector<int64_t>{-1};
}

inline StoreOptions TinyOptions(const std::string& root) {
  StoreOptions options;
  options.root = root;
  options.segment_bytes = 16384;
  options.queue_file_bytes = 400;
  options.index_slots = 20;
  options.index_entries = 80;
  options.store_host = LocalHost();
  options.delay_levels_ms = {1000, 5000};
  return options;
}

inline std::shared_ptr<Store> OpenStore(const StoreOptions& options, Status* status = nullptr,
                                        FileSystem* files = PosixFileSystem()) {
  std::shared_ptr<Store> store;
  const Status result = Store::Open(files, options, &store);
  if (status != nullptr) *status = result;
  return store;
}

// Appends one message; its body says its number.
inline Status AppendOne(Store& store, const std::string& topic, int32_t queue_id, const std::string& body,
                        AppendOutcome* outcome = nullptr, const std::string& tags = "", const std::string& keys = "") {
  static thread_local AppendBuffer buffer;
  const Host host = LocalHost();
  MessageFields fields;
  fields.topic = topic;
  fields.queue_id = queue_id;
  fields.body = body;
  fields.tags = tags;
  fields.keys = keys;
  fields.born_timestamp = 1700000000000;
  fields.born_host = fields.store_host = &host;
  ConsumeQueue* queue = nullptr;
  MILLRACE_RETURN_IF_ERROR(store.Queue(topic, queue_id, &queue));
  AppendOutcome local;
  AppendMode mode;
  mode.all_or_nothing = true;
  return store.Append(&buffer, &fields, &queue, 1, mode, outcome == nullptr ? &local : outcome);
}

// The bodies of a queue, in order, as pull finds them.
inline std::vector<std::string> Bodies(Store& store, const std::string& topic, int32_t queue_id) {
  std::vector<std::string> bodies;
  ConsumeQueue* const queue = store.FindQueue(topic, queue_id);
  if (queue == nullptr) return bodies;
  int64_t offset = queue->min_offset();
  while (true) {
    PullRequest request;
    request.queue = queue;
    request.offset = offset;
    PullOutcome outcome;
    if (!store.Pull(request, &outcome).ok() || (outcome.ranges.empty() && outcome.next_offset == offset)) return bodies;
    std::vector<uint8_t> bytes(static_cast<size_t>(outcome.bytes));
    if (!store.CopyPulled(request, &outcome, bytes.data()).ok()) return bodies;
    bytes.resize(static_cast<size_t>(outcome.bytes));
    for (size_t at = 0; at < bytes.size();) {
      const int32_t size = GetI32(bytes.data() + at);
      bodies.emplace_back(reinterpret_cast<const char*>(bytes.data() + at + 88), GetI32(bytes.data() + at + 84));
      at += static_cast<size_t>(size);
    }
    offset = outcome.next_offset;
  }
}

inline void Overwrite(const std::string& path, int64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offset);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace millrace::test
