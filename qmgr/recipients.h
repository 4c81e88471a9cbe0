// How many recipients of a message are read into memory, and when: pure.
// SCHEDULER_README, "Dealing with memory resource limits".
#pragma once

#include <cstdint>

namespace postern::qmgr {

struct RecipientRules {
  std::int64_t limit = 20000;   // qmgr_message_recipient_limit
  std::int64_t minimum = 10;    // qmgr_message_recipient_minimum
};

// Of one transport.
struct PoolRules {
  std::int64_t limit = 20000;       // recipient_limit
  std::int64_t extra = 1000;        // extra_recipient_limit
  std::int64_t refill = 100;        // recipient_refill_limit
  std::int64_t refill_delay = 5000; // milliseconds
};

// Of a message that becomes active, with so many in memory of all messages.
std::int64_t first_batch(const RecipientRules& rules, std::int64_t in_memory);

// What a transport has room for. `oldest`: no message before this one has
// unread recipients. Another one is here because it went before that; it gets
// half of what is left, from the extra room too.
std::int64_t pool_room(const PoolRules& pool, std::int64_t in_pool,
                       bool oldest);

// How many are read now. `room`: the least pool_room of the message's
// transports; `of_message`: those in memory; `waited`: since the last batch.
// 0: none, more have to be done with first.
std::int64_t next_batch(const RecipientRules& rules, const PoolRules& pool,
                        std::int64_t room, std::int64_t of_message,
                        std::int64_t waited);

}  // namespace postern::qmgr
