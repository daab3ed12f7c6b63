// Whether the log's oldest segment goes, by RocketMQ's rules: by age at certain hours, by how full the disk is; and by
// the log's size. Decides only; store_retention.cc carries it out.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace millrace {

struct RetentionRules {
  bool by_age = false;
  bool by_disk_use = false;
  int64_t max_bytes = 0;                     // of all segments; 0: no limit
  int64_t reserved_ms = 72LL * 3600 * 1000;  // fileReservedTime
  std::vector<int64_t> hours = {4};          // deleteWhen: local hours of the day
  double max_used = 0.75;                    // diskMaxUsedSpaceRatio: above, what is old enough goes at any hour
  double clean_forcibly_above = 0.85;        // diskSpaceCleanForciblyRatio: above, age does not matter
  double refuse_above = 0.90;                // diskSpaceWarningLevelRatio: above, nothing is appended
  bool may_clean_forcibly = true;            // cleanFileForciblyEnable
  int most_segments = 10;                    // a run
  int64_t interval_ms = 10000;               // cleanResourceInterval
  int64_t hold_ms = 120000;                  // destroyMapedFileIntervalForcibly: a reader postpones a deletion so long
  bool any() const { return by_age || by_disk_use || max_bytes > 0; }
};

// What is read from outside; tests pass their own.
struct RetentionClock {
  std::function<int64_t()> now_ms;
  std::function<int(int64_t now_ms)> hour;
  static RetentionClock System();
};

struct RetentionMoment {
  int64_t now_ms = 0;
  int hour = 0;  // local
  // Of the disks that hold log and queues, 0 to 1; negative: not known.
  double log_disk_used = -1, queue_disk_used = -1;
  bool by_hand = false;  // asked for: the hour does not matter
  int64_t log_bytes = 0, oldest_modified_ms = 0;
};

bool IsDiskFull(const RetentionRules& rules, const RetentionMoment& moment);
bool OldestGoes(const RetentionRules& rules, const RetentionMoment& moment);

}  // namespace millrace
