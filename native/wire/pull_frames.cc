#include "pull_frames.h"

#include <algorithm>
#include <utility>

namespace millrace::wire {

namespace {
constexpr int64_t kMostMessages = 1024;  // Reader's too (src/store/reader.ts)
}  // namespace

std::string_view PullFrames::KeyOf(std::string_view group, std::string_view topic,
                                   const std::string_view* subscription) {
  key_.assign(group).append(1, '\0').append(topic);
  if (subscription != nullptr) key_.append(1, '\0').append(*subscription);
  return key_;
}

void PullFrames::Set(std::string_view group, std::string_view topic, const std::string_view* subscription, Pull pull) {
  pull.topic = topic;
  Pull& known = pulls_[std::string(KeyOf(group, topic, subscription))];
  known = std::move(pull);
  numbered_[known.number] = &known;
}

void PullFrames::Clear() {
  pulls_.clear();
  numbered_.clear();
}

const PullFrames::Pull* PullFrames::Find(const PullMessageRequest& request) {
  const auto found = pulls_.find(
      KeyOf(request.consumer_group, request.topic, request.has_subscription() ? &request.subscription : nullptr));
  return found == pulls_.end() ? nullptr : &found->second;
}

ConsumeQueue* PullFrames::QueueWith(std::string_view topic, int32_t queue_id, int64_t offset) const {
  ConsumeQueue* const queue = queue_id < 0 ? nullptr : store_->FindQueue(topic, queue_id);
  return queue != nullptr && offset >= queue->min_offset() && offset <= queue->max_offset() ? queue : nullptr;
}

PullFrames::Outcome PullFrames::Answer(const PullMessageRequest& request, const Admit& admit, TransferItem* item) {
  const Pull* pull = Find(request);
  if (pull == nullptr) return Outcome::kLeft;
  ConsumeQueue* const queue = QueueWith(request.topic, request.queue_id, request.queue_offset);
  if (queue == nullptr) return Outcome::kLeft;
  const bool waits = request.queue_offset == queue->max_offset();
  if ((waits && !request.suspends()) || !admit(pull->number, request, waits)) return Outcome::kLeft;
  if (waits) return Outcome::kWaits;
  pull = Find(request);  // whoever was asked may have changed what is known
  const Waiting asked{0, request.queue_id, request.max_messages, request.opaque, request.queue_offset};
  return pull != nullptr && Look(*pull, queue, asked, item) ? Outcome::kAnswered : Outcome::kLeft;
}

bool PullFrames::Answer(const Waiting& waiting, TransferItem* item) {
  const auto found = numbered_.find(waiting.number);
  if (found == numbered_.end()) return false;
  ConsumeQueue* const queue = QueueWith(found->second->topic, waiting.queue_id, waiting.queue_offset);
  return queue != nullptr && Look(*found->second, queue, waiting, item);
}

bool PullFrames::Look(const Pull& pull, ConsumeQueue* queue, const Waiting& asked, TransferItem* item) {
  millrace::PullRequest request;
  request.queue = queue;
  request.offset = asked.queue_offset;
  request.max_messages = std::clamp<int64_t>(asked.max_messages, 1, kMostMessages);
  if (!pull.tags.empty()) request.tags = &pull.tags, request.tag_hashes = &pull.tag_hashes;
  request.copied = false;
  request.cached_only = true;
  request.windows = &windows_;
  PullOutcome outcome;
  if (!store_->Pull(request, &outcome).ok() || outcome.would_block || outcome.status != PullStatus::kFound ||
      !outcome.mismatches.empty())
    return false;
  ranges_.clear();
  for (const PullRange& range : outcome.ranges) ranges_.push_back({range.log_offset, range.log_offset + range.size});
  bool cached = false;
  if (!store_->LocateRanges(ranges_, item, &cached).ok() || !cached) return false;
  WriteHead(pull, asked.opaque, outcome);
  item->head.assign(head_.begin(), head_.end());
  return true;
}

// As src/remoting writes it.
void PullFrames::WriteHead(const Pull& pull, int32_t opaque, const PullOutcome& outcome) {
  std::string* const out = &head_;
  const auto field = [out](std::string_view name, int64_t number) {
    out->append(name);
    PutNumber(out, number);
  };
  out->assign(kFrameHeadBytes, 0);
  field(R"({"code":0,"extFields":{"suggestWhichBrokerId":")", outcome.suggest_slave ? pull.slow_broker : pull.broker);
  field(R"(","nextBeginOffset":")", outcome.next_offset);
  field(R"(","maxOffset":")", outcome.max_offset);
  field(R"(","minOffset":")", outcome.min_offset);
  field(R"("},"flag":1,"language":"JAVA","opaque":)", opaque);
  field(R"(,"remark":"FOUND","serializeTypeCurrentRPC":"JSON","version":)", version_);
  out->push_back('}');
  PutFrameHead(out, 0, outcome.bytes);
}

}  // namespace millrace::wire
