#include "qmgr/retry.h"

#include <algorithm>

namespace postern::qmgr {

std::int64_t next_attempt(const RetryRules& rules, std::int64_t arrival,
                          std::int64_t now) {
  const std::int64_t age = std::max<std::int64_t>(now - arrival, 0);
  // The smaller limit wins where they cross: never wait longer than asked.
  return now + std::min(std::max(age, rules.minimal_backoff),
                        rules.maximal_backoff);
}

bool expired(const RetryRules& rules, bool null_sender, std::int64_t arrival,
             std::int64_t now) {
  return now - arrival >=
         (null_sender ? rules.bounce_lifetime : rules.lifetime);
}

bool warn_of_delay(const RetryRules& rules, std::int64_t arrival,
                   std::int64_t told, std::int64_t now) {
  return rules.delay_warning > 0 && told == 0 &&
         now - arrival >= rules.delay_warning;
}

}  // namespace postern::qmgr
