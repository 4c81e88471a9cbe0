#include "qmgr/recipients.h"

#include <algorithm>

namespace postern::qmgr {

std::int64_t first_batch(const RecipientRules& rules, std::int64_t in_memory) {
  return std::max({rules.minimum, rules.limit - in_memory, std::int64_t{1}});
}

std::int64_t pool_room(const PoolRules& pool, std::int64_t in_pool,
                       bool oldest) {
  const std::int64_t room =
      oldest ? pool.limit - in_pool : (pool.limit + pool.extra - in_pool) / 2;
  return std::max<std::int64_t>(room, 0);
}

std::int64_t next_batch(const RecipientRules& rules, const PoolRules& pool,
                        std::int64_t room, std::int64_t of_message,
                        std::int64_t waited) {
  const std::int64_t batch =
      std::max({room, rules.minimum - of_message, std::int64_t{0}});
  if (of_message == 0) return std::max<std::int64_t>(batch, 1);
  return batch >= pool.refill || waited >= pool.refill_delay ? batch : 0;
}

}  // namespace postern::qmgr
