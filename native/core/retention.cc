#include "retention.h"

#include <algorithm>
#include <ctime>

#include "store.h"

namespace millrace {

RetentionClock RetentionClock::System() {
  return {Store::NowMs, [](int64_t now_ms) {
            const auto seconds = static_cast<time_t>(now_ms / 1000);
            tm local{};
            localtime_r(&seconds, &local);
            return local.tm_hour;
          }};
}

bool IsDiskFull(const RetentionRules& rules, const RetentionMoment& moment) {
  return rules.by_disk_use && std::max(moment.log_disk_used, moment.queue_disk_used) > rules.refuse_above;
}

bool OldestGoes(const RetentionRules& rules, const RetentionMoment& moment) {
  if (rules.max_bytes > 0 && moment.log_bytes > rules.max_bytes) return true;
  const double used = std::max(moment.log_disk_used, moment.queue_disk_used);
  // RocketMQ takes a disk that it can't ask for a full one. Nothing of a store goes because of that.
  if (rules.by_disk_use && rules.may_clean_forcibly && used > rules.clean_forcibly_above) return true;
  if (!rules.by_age || moment.now_ms - moment.oldest_modified_ms < rules.reserved_ms) return false;
  return moment.by_hand || (rules.by_disk_use && used > rules.max_used) ||
         std::find(rules.hours.begin(), rules.hours.end(), moment.hour) != rules.hours.end();
}

}  // namespace millrace
