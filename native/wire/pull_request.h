// A plain pull, as nearly all requests of consumers are: PULL_MESSAGE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "request_frame.h"

namespace millrace::wire {

struct PullMessageRequest {
  size_t frame_bytes = 0;  // the length field included
  int32_t opaque = 0;
  std::string_view consumer_group, topic;
  std::string_view subscription;  // a tag expression; counts where `has_subscription` says so
  int32_t queue_id = 0, max_messages = 0, sys_flag = 0;
  int64_t queue_offset = 0, commit_offset = 0, sub_version = 0;
  int64_t suspend_ms = 0;  // how long it may wait
  // Bits of sys_flag: the commit offset counts; it waits for messages; it says what it subscribes to.
  static constexpr int32_t kCommits = 1, kSuspends = 2, kHasSubscription = 4;
  bool has_subscription() const { return (sys_flag & kHasSubscription) != 0; }
  bool suspends() const { return (sys_flag & kSuspends) != 0; }
};

// What lies at the start of `bytes`; only of a plain pull everything is known. Views into `bytes`.
FrameKind ReadPullRequest(std::string_view bytes, PullMessageRequest* request);

}  // namespace millrace::wire
