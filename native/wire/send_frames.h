// Plain sends from bytes as a socket gives them to records in the log, and back to bytes: many frames become one append
// and one run of answers. What is no plain send, or is refused, is left to TypeScript, which has the words for it.
// One environment's; not shared between threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../core/store.h"
#include "send_request.h"

namespace millrace::wire {

struct SendFramesOptions {
  std::string region_json;  // MSG_REGION of answers, with its quotes and escapes
  bool trace_on = true;     // TRACE_ON
  std::string cluster;      // added to each message as the property CLUSTER
  int64_t max_body_bytes = 0;
  int32_t version = 0;  // of answers
};

class SendFrames {
 public:
  SendFrames(Store* store, SendFramesOptions options);

  // From now on sends to the queues 0 to `queues` - 1 of a topic are taken; with 0 none. `number` stands for it in
  // arrivals.
  void SetTopic(std::string_view topic, int32_t number, int32_t queues);

  // The next arrival in a queue of the topic with this number is told of, once.
  void Await(int32_t topic, int32_t queue_id);

  struct Piece {
    size_t at, bytes;
  };
  struct Arrival {
    int32_t topic, queue_id;
    bool operator==(const Arrival&) const = default;
  };
  struct Taken {
    size_t bytes = 0;     // of the input, whole frames
    int64_t frames = 0;   // answered, or oneway
    int64_t pulls = 0;    // by PlainSocket, between them
    int64_t log_end = 0;  // where the last record ends; 0 for none
    std::string answers;
    std::vector<Piece> refused;     // frames among those taken that TypeScript must answer
    std::vector<Arrival> arrivals;  // of those that were awaited
    bool cut_off = false;           // what is left is nothing, or the beginning of a frame
    void Clear();
  };
  // Takes plain sends of `bytes` from `taken->bytes` on, to the first frame that is none or is cut off, and adds what
  // became of them to `taken`, which is used again for its memory.
  void Take(std::string_view bytes, const Host& born_host, Taken* taken);

 private:
  struct Topic {
    int32_t number;
    std::vector<ConsumeQueue*> queues;  // null until the first message
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  // A frame whose messages are in `fields_`.
  struct Pending {
    SendRequest request;
    size_t at;
    size_t first, count;
    Arrival arrival;
  };

  bool Plan(const SendRequest& request, size_t at, const Host& born_host);
  bool PlanBatch(const SendRequest& request, const MessageFields& common);
  std::string_view Properties(std::string_view given, bool escaped, bool keep_wait);
  void Commit(Taken* taken, bool together);
  bool TakeAwaited(const Arrival& arrival);
  void Answer(const Pending& pending, std::string* out) const;

  Store* const store_;
  const SendFramesOptions options_;
  std::string after_queue_;  // of an answer's header: what comes behind the queue's number
  std::string host_hex_;     // store host, as message ids begin
  std::unordered_map<std::string, Topic, Hash, std::equal_to<>> topics_;
  std::vector<std::vector<bool>> awaited_;  // by topic, by queue
  AppendBuffer buffer_;
  std::vector<Pending> pending_;
  std::vector<MessageFields> fields_;
  std::vector<ConsumeQueue*> queues_;
  std::vector<AppendOutcome> outcomes_;
  std::unique_ptr<char[]> scratch_;  // properties as they are stored
  size_t scratch_bytes_ = 0, scratch_used_ = 0;
};

}  // namespace millrace::wire
