// Plain pulls from bytes as a socket gives them to an answer: its head, and the ranges of the log that are its body.
// TypeScript names the pulls that are plain, when it has answered one like it, and is asked again for each
// (`Admit`): who may pull what, and where a group is, it alone knows. One environment's; not shared between threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../core/store.h"
#include "pull_request.h"

namespace millrace::wire {

class PullFrames {
 public:
  // A group's pulls of a topic with a subscription.
  struct Pull {
    int32_t number = 0;             // TypeScript's
    std::vector<std::string> tags;  // none: everything matches
    std::vector<int32_t> tag_hashes;
    int64_t broker = 0, slow_broker = 0;  // suggested for the next pull; where this one lags far behind
    std::string topic;
  };
  // Whether a pull may be answered here. `waits`: there is nothing for it yet; whether TypeScript has it wait.
  using Admit = std::function<bool(int32_t number, const PullMessageRequest& request, bool waits)>;

  // `version`: of answers.
  PullFrames(Store* store, int32_t version) : store_(store), version_(version) {}

  // From now on pulls of this group and topic are plain which say `subscription`, or null: none.
  void Set(std::string_view group, std::string_view topic, const std::string_view* subscription, Pull pull);
  // From now on none is.
  void Clear();

  // What a pull is answered with; or it waits in TypeScript's hands; or it is left to TypeScript, where a page must
  // come from the disk, or anything else is not as it mostly is.
  enum class Outcome { kAnswered, kWaits, kLeft };
  Outcome Answer(const PullMessageRequest& request, const Admit& admit, TransferItem* item);

  // One that has waited in TypeScript, of those with this number. Nobody is asked.
  struct Waiting {
    int32_t number = 0, queue_id = 0, max_messages = 0, opaque = 0;
    int64_t queue_offset = 0;
  };
  bool Answer(const Waiting& waiting, TransferItem* item);

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::string_view KeyOf(std::string_view group, std::string_view topic, const std::string_view* subscription);
  const Pull* Find(const PullMessageRequest& request);
  // Null where its offsets do not reach to this one.
  ConsumeQueue* QueueWith(std::string_view topic, int32_t queue_id, int64_t offset) const;
  bool Look(const Pull& pull, ConsumeQueue* queue, const Waiting& asked, TransferItem* item);
  void WriteHead(const Pull& pull, int32_t opaque, const PullOutcome& outcome);

  Store* const store_;
  const int32_t version_;
  std::unordered_map<std::string, Pull, Hash, std::equal_to<>> pulls_;
  std::unordered_map<int32_t, const Pull*> numbered_;
  UnitWindows windows_;
  // Used again for their memory.
  std::string key_, head_;
  std::vector<LogRange> ranges_;
};

}  // namespace millrace::wire
