// The policy protocol as text.
#include "common/access/policy.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::access;
using Catch::Contains;

namespace {

config::Config config_of(const std::string& settings) {
  return *config::Config::parse("queue_directory = /queue\n" + settings, "/x");
}

}  // namespace

TEST_CASE("a service has the settings of all, and its own") {
  const auto config = config_of("smtpd_policy_service_timeout = 7\n"
                                "smtpd_policy_service_policy_context = c\n");
  const auto plain = parse_policy_service("inet:127.0.0.1:9998", config);
  REQUIRE(plain);
  CHECK(plain->name == "127.0.0.1:9998");
  CHECK(plain->endpoint.text() == "inet:[127.0.0.1]:9998");
  CHECK(plain->timeout == Seconds(7));
  CHECK(plain->try_limit == 2);
  CHECK(plain->default_action == "451 4.3.5 Server configuration problem");
  CHECK(plain->context == "c");
  const auto own = parse_policy_service(
      "{ unix:private/p, timeout=10s, try_limit = 5, max_idle=1m, max_ttl=1h, "
      "retry_delay=2, request_limit=1, default_action=DUNNO, "
      "policy_context=d }", config);
  REQUIRE_FALSE(own);  // "try_limit = 5" needs braces
  const auto braced = parse_policy_service(
      "{ unix:private/p, timeout=10s, { try_limit = 5 }, max_idle=1m, "
      "max_ttl=1h, retry_delay=2, request_limit=1, { default_action = 450 "
      "4.7.1 later }, policy_context=d }", config);
  REQUIRE(braced);
  CHECK(braced->endpoint.text() == "unix:/queue/private/p");
  CHECK(braced->name == "private/p");
  CHECK(braced->timeout == Seconds(10));
  CHECK(braced->try_limit == 5);
  CHECK(braced->max_idle == Seconds(60));
  CHECK(braced->max_ttl == Seconds(3600));
  CHECK(braced->retry_delay == Seconds(2));
  CHECK(braced->request_limit == 1);
  CHECK(braced->default_action == "450 4.7.1 later");
  CHECK(braced->context == "d");
}

TEST_CASE("a service that is none is told why") {
  struct Case {
    const char* text;
    const char* why;
  };
  const Case cases[] = {
      {"127.0.0.1:9998", "expected inet:host:port or unix:path"},
      {"{ }", "unbalanced braces"},
      {"{ unix:p, timeout=x }", "bad time for timeout: \"x\""},
      {"{ unix:p, timeout=0 }", "bad time for timeout: \"0\""},
      {"{ unix:p, try_limit=0 }", "bad number for try_limit: \"0\""},
      {"{ unix:p, unknown=1 }", "unknown setting \"unknown\""},
      {"{ unix:p, word }", "expected name = value"},
      {"{ unix:p", "no \"}\""},
  };
  const auto config = config_of("");
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto service = parse_policy_service(c.text, config);
    REQUIRE_FALSE(service);
    CHECK_THAT(service.trouble().text, Contains(c.why));
  }
}

TEST_CASE("no value ends a line early") {
  CHECK(policy_request({{"a", "b\nc=d"}, {"e", std::string("f\0g", 3)}}) ==
        "a=bc=d\ne=fg\n\n");
}

TEST_CASE("an answer is read as it comes") {
  struct Case {
    const char* text;
    PolicyAnswer::Step step;
    const char* action;
  };
  using enum PolicyAnswer::Step;
  const Case cases[] = {
      {"action=DUNNO\n\n", done, "DUNNO"},
      {"action=REJECT a=b\r\n\r\n", done, "REJECT a=b"},
      {"x=y\naction=OK\naction=REJECT\n\n", done, "OK"},
      {"action=OK\n", more, "OK"},
      {"action=O", more, ""},
      {"\n", bad, ""},
      {"x=y\n\n", bad, ""},
      {"action\n\n", bad, ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const std::string_view text = c.text;
    // In one piece, and byte by byte.
    PolicyAnswer whole;
    std::size_t used = 0;
    CHECK(whole.feed(text, used) == c.step);
    CHECK(whole.action() == c.action);
    PolicyAnswer bytes;
    PolicyAnswer::Step step = more;
    for (std::size_t i = 0; i < text.size() && step == more; ++i)
      step = bytes.feed(text.substr(i, 1), used);
    CHECK(step == c.step);
  }
}

TEST_CASE("what follows an answer is left alone") {
  PolicyAnswer answer;
  std::size_t used = 0;
  CHECK(answer.feed("action=OK\n\nnext", used) == PolicyAnswer::Step::done);
  CHECK(used == 11);
}

TEST_CASE("an answer ends, or is none") {
  PolicyAnswer answer;
  std::size_t used = 0;
  CHECK(answer.feed(std::string(PolicyAnswer::most_bytes + 1, 'x'), used) ==
        PolicyAnswer::Step::bad);
  CHECK(answer.why() == "the answer does not end");
}
