#include "authd/attempts.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::authd;

namespace {

const Clock::time_point start = Clock::time_point(std::chrono::hours(100));

AttemptLimits limits() {
  AttemptLimits out;
  out.of_address = 3;
  out.of_network = 5;
  out.of_account = 4;
  out.lock = Seconds(600);
  return out;
}

}  // namespace

TEST_CASE("The delay doubles with each failure, to its most") {
  const AttemptLimits usual;
  const std::pair<std::int64_t, int> cases[] = {
      {0, 1000}, {1, 1000},  {2, 2000},     {3, 4000},
      {4, 8000}, {5, 15000}, {6, 15000},    {1'000'000'000, 15000}};
  for (const auto& [failures, delay] : cases) {
    CAPTURE(failures);
    CHECK(delay_after(failures, usual) == Millis(delay));
  }
  AttemptLimits none;
  none.first_delay = Millis(0);
  CHECK(delay_after(1, none) == Millis(0));
}

TEST_CASE("A lock holds for its time and then all is forgotten") {
  struct Case {
    std::int64_t failures;
    std::int64_t limit;
    int seconds_later;
    bool is_locked;
  };
  const Case cases[] = {{2, 3, 0, false},  {3, 3, 0, true},
                        {9, 3, 0, true},   {3, 3, 599, true},
                        {3, 3, 600, false}, {3, 0, 0, false},
                        {0, 3, 0, false}};
  for (const Case& each : cases) {
    CAPTURE(each.failures, each.limit, each.seconds_later);
    const Tally tally{each.failures, start};
    CHECK(locked(tally, each.limit, Seconds(600),
                 start + Seconds(each.seconds_later)) == each.is_locked);
  }
  const Tally once = after_failure({7, start}, Seconds(600),
                                   start + Seconds(600));
  CHECK(once.failures == 1);
  CHECK(after_failure({7, start}, Seconds(600), start + Seconds(1)).failures ==
        8);
}

TEST_CASE("Networks of addresses") {
  const std::pair<const char*, const char*> cases[] = {
      {"192.0.2.77", "192.0.2.0/24"},
      {"::ffff:192.0.2.77", "192.0.2.0/24"},
      {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
      {"::1", "::/64"},
      {"", ""},
      {"unknown", ""},
      {"192.0.2.300", ""}};
  for (const auto& [address, network] : cases) {
    CAPTURE(address);
    CHECK(network_of(address) == network);
  }
}

TEST_CASE("An address is locked by its failures, its neighbours by theirs") {
  Attempts attempts(limits());
  const auto fail = [&](const char* address, const std::string& account) {
    return attempts.failed(address, account, 0, start);
  };
  CHECK_FALSE(fail("192.0.2.1", "a").now_locked);
  CHECK_FALSE(fail("192.0.2.1", "b").now_locked);
  CHECK(attempts.judge("192.0.2.1", start) == Attempts::Verdict::go_on);
  CHECK(fail("192.0.2.1", "c").now_locked);
  CHECK(attempts.judge("192.0.2.1", start) ==
        Attempts::Verdict::address_locked);
  CHECK(attempts.judge("192.0.2.2", start) == Attempts::Verdict::go_on);
  fail("192.0.2.2", "d");
  fail("192.0.2.3", "e");
  CHECK(attempts.judge("192.0.2.4", start) ==
        Attempts::Verdict::network_locked);
  CHECK(attempts.judge("198.51.100.1", start) == Attempts::Verdict::go_on);
  CHECK(attempts.judge("192.0.2.1", start + Seconds(600)) ==
        Attempts::Verdict::go_on);
  CHECK(attempts.judge("", start) == Attempts::Verdict::go_on);
}

TEST_CASE("An account is locked, but not for where its user comes from") {
  Attempts attempts(limits());
  attempts.succeeded("203.0.113.9", "bob");
  for (int i = 0; i < 4; ++i)
    attempts.failed("198.51." + std::to_string(i) + ".1", "bob", 0, start);
  CHECK(attempts.account_locked("bob", "198.51.100.1", start));
  CHECK_FALSE(attempts.account_locked("bob", "203.0.113.77", start));
  CHECK_FALSE(attempts.account_locked("alice", "198.51.100.1", start));
  // Further guesses do not make the lock longer.
  attempts.failed("198.51.200.1", "bob", 0, start + Seconds(500));
  CHECK_FALSE(
      attempts.account_locked("bob", "198.51.100.1", start + Seconds(600)));
}

TEST_CASE("The same wrong password again counts once") {
  Attempts attempts(limits());
  for (int i = 0; i < 10; ++i) attempts.failed("192.0.2.1", "bob", 77, start);
  CHECK(attempts.judge("192.0.2.1", start) == Attempts::Verdict::go_on);
  CHECK(attempts.failed("192.0.2.1", "bob", 77, start).delay == Millis(1000));
  attempts.failed("192.0.2.1", "bob", 78, start);
  CHECK(attempts.failed("192.0.2.1", "bob", 79, start).delay == Millis(4000));
  CHECK(attempts.judge("192.0.2.1", start) ==
        Attempts::Verdict::address_locked);
}

TEST_CASE("What is kept in memory is bounded") {
  Attempts attempts(limits());
  for (int i = 0; i < 60'000; ++i)
    attempts.failed("", "user" + std::to_string(i), 0, start);
  CHECK(attempts.size() == 100'000);
}
