// How many recipients are in memory.
#include "qmgr/recipients.h"

#include <catch2/catch.hpp>

using namespace postern::qmgr;

TEST_CASE("a message that becomes active has what there is room for, and some",
          "[qmgr][recipients]") {
  const RecipientRules rules{20000, 10};
  struct {
    std::int64_t in_memory, batch;
  } const cases[] = {{0, 20000}, {19000, 1000}, {19995, 10}, {50000, 10}};
  for (const auto& c : cases) {
    CAPTURE(c.in_memory);
    CHECK(first_batch(rules, c.in_memory) == c.batch);
  }
  CHECK(first_batch({0, 0}, 5) == 1);  // it could never begin
}

TEST_CASE("a transport's room goes to the oldest, the extra room to those that "
          "went before it",
          "[qmgr][recipients]") {
  PoolRules pool;
  pool.limit = 1000;
  pool.extra = 100;
  struct {
    std::int64_t in_pool;
    bool oldest;
    std::int64_t room;
  } const cases[] = {{0, true, 1000},    {900, true, 100}, {1000, true, 0},
                     {1200, true, 0},    {0, false, 550},  {1000, false, 50},
                     {1100, false, 0},   {5000, false, 0}};
  for (const auto& c : cases) {
    CAPTURE(c.in_pool, c.oldest);
    CHECK(pool_room(pool, c.in_pool, c.oldest) == c.room);
  }
}

TEST_CASE("more is read when there is much room, or after a while, or when "
          "nothing is left",
          "[qmgr][recipients]") {
  const RecipientRules rules{20000, 10};
  const PoolRules pool;  // 100 at once, 5 s
  struct {
    std::int64_t room, of_message, waited, batch;
  } const cases[] = {
      {100, 500, 0, 100},  {99, 500, 0, 0},   {99, 500, 4999, 0},
      {99, 500, 5000, 99}, {0, 500, 9000, 0}, {0, 4, 5000, 6},
      {0, 0, 0, 10},       {250, 0, 0, 250},
  };
  for (const auto& c : cases) {
    CAPTURE(c.room, c.of_message, c.waited);
    CHECK(next_batch(rules, pool, c.room, c.of_message, c.waited) == c.batch);
  }
}
