#include "smtpd/screen_lists.h"

#include <catch2/catch.hpp>

using namespace postern::smtpd;

TEST_CASE("DNS lists have filters and weights") {
  std::vector<std::string> problems;
  const auto sites = parse_dns_sites(
      "a.test, B.Test.*-3\tc.test=127.0.0.[2..4;9]*+2, *4, d.test*x, "
      "e.test=1.2.3, f..test*2", &problems);
  REQUIRE(sites.size() == 3);
  CHECK(sites[0].domain == "a.test");
  CHECK(sites[0].weight == 1);
  CHECK_FALSE(sites[0].filter);
  CHECK(sites[1].domain == "b.test");
  CHECK(sites[1].weight == -3);
  CHECK(sites[2].weight == 2);
  REQUIRE(sites[2].filter);
  CHECK(sites[2].filter->matches("127.0.0.3"));
  CHECK_FALSE(sites[2].filter->matches("127.0.0.5"));
  REQUIRE(problems.size() == 4);
  CHECK(problems[1] == "d.test*x: bad weight \"x\": expected a number; the "
                       "entry is left out");
}

TEST_CASE("Answers add up, each entry at most once") {
  const auto sites = parse_dns_sites(
      "a.test*2 b.test=127.0.0.[2..4]*1 b.test=127.0.0.9*4 w.test*-5",
      nullptr);
  CHECK(domains_of(sites) ==
        std::vector<std::string>{"a.test", "b.test", "w.test"});
  struct Case {
    const char* domain;
    std::vector<std::string> records;
    std::int64_t ttl;
    std::int64_t score;
    const char* blamed;
    std::int64_t shortest;
  };
  const Case cases[] = {
      {"b.test", {"127.0.0.2", "127.0.0.3"}, 300, 1, "b.test", 300},
      {"a.test", {}, -1, 1, "b.test", 300},
      {"a.test", {"127.0.0.1"}, 100, 3, "a.test", 100},
      {"w.test", {"127.0.0.1"}, 200, -2, "a.test", 100},
      {"b.test", {"127.0.0.9"}, 200, 2, "b.test", 100},
  };
  Ranking ranking;
  for (const Case& each : cases) {
    count_answer(sites, each.domain, each.records, each.ttl, &ranking);
    CAPTURE(each.domain, each.score);
    CHECK(ranking.score == each.score);
    CHECK(ranking.blamed == each.blamed);
    CHECK(ranking.ttl == each.shortest);
  }
}
