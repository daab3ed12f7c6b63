#include "pull_request.h"

#include <utility>

namespace millrace::wire {

namespace {

constexpr int32_t kPullMessage = 11;
constexpr int32_t kPlainBits =
    PullMessageRequest::kCommits | PullMessageRequest::kSuspends | PullMessageRequest::kHasSubscription;

// The fields that a pull can't be without come first.
enum PullField {
  kConsumerGroup,
  kTopic,
  kQueueId,
  kQueueOffset,
  kMaxMsgNums,
  kSysFlag,
  kCommitOffset,
  kSuspendTimeoutMillis,
  kSubVersion,
  kNeeded,
  kSubscription = kNeeded,
  kExpressionType,
  kFields
};
constexpr std::string_view kNames[kFields] = {"consumerGroup", "topic",        "queueId",       "queueOffset",
                                              "maxMsgNums",    "sysFlag",      "commitOffset",  "suspendTimeoutMillis",
                                              "subVersion",    "subscription", "expressionType"};

bool Unescaped(std::string_view value, std::string_view* text) {
  *text = value;
  return value.find('\\') == std::string_view::npos;
}

bool Take(PullField field, std::string_view value, PullMessageRequest* request) {
  switch (field) {
    case kConsumerGroup:
      return Unescaped(value, &request->consumer_group);
    case kTopic:
      return Unescaped(value, &request->topic);
    case kQueueId:
      return Whole(value, &request->queue_id);
    case kQueueOffset:
      return Whole(value, &request->queue_offset);
    case kMaxMsgNums:
      return Whole(value, &request->max_messages);
    case kSysFlag:
      return Whole(value, &request->sys_flag);
    case kCommitOffset:
      return Whole(value, &request->commit_offset);
    case kSuspendTimeoutMillis:
      return Whole(value, &request->suspend_ms);
    case kSubVersion:
      return Whole(value, &request->sub_version);
    case kSubscription:
      return Unescaped(value, &request->subscription);
    default:
      return value == "TAG";
  }
}

}  // namespace

FrameKind ReadPullRequest(std::string_view bytes, PullMessageRequest* request) {
  *request = {};
  RequestFrame frame;
  const FrameKind kind = ReadFrame(bytes, &frame);
  if (kind != FrameKind::kPlain) return kind;
  request->frame_bytes = frame.bytes;
  RequestHead head;
  unsigned seen = 0;
  const bool plain = ReadHeader(
      frame.header, &head, [](int32_t code) { return code == kPullMessage; },
      [&](std::string_view name, std::string_view value) {
        for (int field = 0; field < kFields; field++) {
          if (name != kNames[field]) continue;
          const bool first = (seen & 1U << field) == 0;
          seen |= 1U << field;
          return first && Take(static_cast<PullField>(field), value, request);
        }
        return true;
      });
  request->opaque = head.opaque;
  constexpr unsigned kAllNeeded = (1U << kNeeded) - 1;
  const bool usual = !head.oneway && (request->sys_flag & ~kPlainBits) == 0 && (seen & kAllNeeded) == kAllNeeded;
  return plain && usual ? FrameKind::kPlain : FrameKind::kOther;
}

}  // namespace millrace::wire
