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
  pulls_.insert_or_assign(std::string(KeyOf(group, topic, subscription)), std::move(pull));
}

const PullFrames::Pull* PullFrames::Find(const PullMessageRequest& request) {
  const auto found = pulls_.find(
      KeyOf(request.consumer_group, request.topic, request.has_subscription() ? &request.subscription : nullptr));
  return found == pulls_.end() ? nullptr : &found->second;
}

bool PullFrames::Answer(const PullMessageRequest& request, const Admit& admit, TransferItem* item) {
  const Pull* known = Find(request);
  if (known == nullptr || request.queue_id < 0) return false;
  ConsumeQueue* const queue = store_->FindQueue(request.topic, request.queue_id);
  // Who waits at the end is no plain case, and need not be looked at twice.
  if (queue == nullptr || request.queue_offset < queue->min_offset() || request.queue_offset >= queue->max_offset())
    return false;
  if (!admit(known->number, request)) return false;
  known = Find(request);  // whoever was asked may have changed what is known
  if (known == nullptr) return false;
  const Pull& pull = *known;
  millrace::PullRequest asked;
  asked.queue = queue;
  asked.offset = request.queue_offset;
  asked.max_messages = std::clamp<int64_t>(request.max_messages, 1, kMostMessages);
  if (!pull.tags.empty()) asked.tags = &pull.tags, asked.tag_hashes = &pull.tag_hashes;
  asked.copied = false;
  asked.cached_only = true;
  asked.windows = &windows_;
  PullOutcome outcome;
  if (!store_->Pull(asked, &outcome).ok() || outcome.would_block || outcome.status != PullStatus::kFound ||
      !outcome.mismatches.empty())
    return false;
  ranges_.clear();
  for (const PullRange& range : outcome.ranges) ranges_.push_back({range.log_offset, range.log_offset + range.size});
  bool cached = false;
  if (!store_->LocateRanges(ranges_, item, &cached).ok() || !cached) return false;
  WriteHead(request, pull, outcome);
  item->head.assign(head_.begin(), head_.end());
  return true;
}

// As src/remoting writes it.
void PullFrames::WriteHead(const PullMessageRequest& request, const Pull& pull, const PullOutcome& outcome) {
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
  field(R"("},"flag":1,"language":"JAVA","opaque":)", request.opaque);
  field(R"(,"remark":"FOUND","serializeTypeCurrentRPC":"JSON","version":)", version_);
  out->push_back('}');
  PutFrameHead(out, 0, outcome.bytes);
}

}  // namespace millrace::wire
