#include "common/access/screen_record.h"

#include <catch2/catch.hpp>

using namespace postern::access;

namespace {

constexpr std::int64_t now = 1'700'000'000;

Trials of(std::initializer_list<Trial> list) {
  Trials trials;
  for (const Trial trial : list) trials.set(trial);
  return trials;
}

}  // namespace

TEST_CASE("A record is a line, and what is no record is none") {
  const auto record = Record::from_line("1;22;0;4;5");
  REQUIRE(record);
  CHECK(record->until == std::array<std::int64_t, 5>{1, 22, 0, 4, 5});
  CHECK(record->line() == "1;22;0;4;5");
  for (const char* line : {"", "1;2;3;4", "1;2;3;4;5;6", "1;2;x;4;5",
                           "1;2;-3;4;5", "1;2;;4;5"}) {
    CAPTURE(line);
    CHECK_FALSE(Record::from_line(line));
  }
}

TEST_CASE("Enabled tests are due from when their result has expired") {
  Record record;
  record.pass(Trial::greet, now + 1);
  record.pass(Trial::dnsbl, now);
  const Trials all = of({Trial::greet, Trial::dnsbl, Trial::pipelining});
  CHECK(record.due(all, now) == of({Trial::dnsbl, Trial::pipelining}));
  CHECK(record.due(of({Trial::greet}), now).none());
  CHECK(record.due(of({Trial::greet}), now + 1) == of({Trial::greet}));
  CHECK(record.due({}, now).none());
  CHECK(all.deep());
  CHECK(all.early());
  CHECK_FALSE(of({Trial::greet, Trial::dnsbl}).deep());
  CHECK_FALSE(of({Trial::bare_newline}).early());
}

TEST_CASE("Who has passed nothing yet is new") {
  Record record;
  CHECK(record.is_new());
  record.pass(Trial::bare_newline, 1);
  CHECK_FALSE(record.is_new());
}

TEST_CASE("Passing all at once shortens nothing") {
  Record record;
  record.pass(Trial::greet, now + 500);
  record.pass_all(now + 100);
  CHECK(record.until == std::array<std::int64_t, 5>{
            now + 500, now + 100, now + 100, now + 100, now + 100});
}

TEST_CASE("A record is stale when all of it has expired for long") {
  Record record;
  record.until = {now - 100, now - 90, 0, 0, now - 80};
  CHECK(record.is_stale(now, 79));
  CHECK_FALSE(record.is_stale(now, 80));
  record.pass(Trial::greet, now + 1);
  CHECK_FALSE(record.is_stale(now, 0));
}

TEST_CASE("A passed test of DNS lists counts as long as the answers hold") {
  struct Case {
    std::optional<std::int64_t> ttl;
    std::int64_t expected;
  };
  for (const Case& each : {Case{{}, 3600}, Case{10, 60}, Case{600, 600},
                           Case{86400, 3600}, Case{0, 60}}) {
    CAPTURE(each.ttl.value_or(-1));
    CHECK(dnsbl_lifetime(each.ttl, 60, 3600) == each.expected);
  }
}
