// When to try again, and when to give up: pure. postconf(5) on
// minimal_backoff_time, maximal_backoff_time, maximal_queue_lifetime.
#pragma once

#include <cstdint>

namespace postern::qmgr {

// All in seconds.
struct RetryRules {
  std::int64_t minimal_backoff = 300;
  std::int64_t maximal_backoff = 4000;
  std::int64_t lifetime = 432000;         // maximal_queue_lifetime
  std::int64_t bounce_lifetime = 432000;  // of mail with the null sender
  std::int64_t delay_warning = 0;         // 0: never
  bool confirm_cleared = false;           // confirm_delay_cleared
};

// The pause doubles, in effect: a message is tried again when it is twice as
// old, within the two limits.
std::int64_t next_attempt(const RetryRules& rules, std::int64_t arrival,
                          std::int64_t now);

// Was its last attempt the last one?
bool expired(const RetryRules& rules, bool null_sender, std::int64_t arrival,
             std::int64_t now);

// Is the sender to be told now that it takes long? `told`: when that was done
// before, or 0.
bool warn_of_delay(const RetryRules& rules, std::int64_t arrival,
                   std::int64_t told, std::int64_t now);

}  // namespace postern::qmgr
