// Who probes are from.
#include "common/access/probe_sender.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::access;

namespace {

ProbeSender sender(const std::string& settings) {
  const auto config = config::Config::parse(
      "myhostname = mail.here.test\nmyorigin = here.test\n" + settings, "/x");
  return ProbeSender(*config);
}

}  // namespace

TEST_CASE("probes are from double-bounce, or as the administrator says") {
  CHECK(sender("").address(1000) == "double-bounce@here.test");
  CHECK(sender("address_verify_sender = probe@x.test\n").address(1000) ==
        "probe@x.test");
  CHECK(sender("address_verify_sender = <>\n").address(1000) == "");
  CHECK(sender("address_verify_sender =\n").address(1000) == "");
}

TEST_CASE("the sender may change with time, and old ones are known a while") {
  const ProbeSender s = sender("address_verify_sender_ttl = 1h\n");
  const std::int64_t now = 1'700'000'000;
  const std::string then = s.address(now);
  CHECK(then != s.address(now + 3600));
  CHECK_THAT(then, Catch::StartsWith("double-bounce"));
  CHECK(s.accepted(then, now) == "double-bounce@here.test");
  CHECK(s.accepted(then, now + 3600) == "double-bounce@here.test");
  CHECK(s.accepted(then, now - 3600) == "double-bounce@here.test");
  CHECK_FALSE(s.accepted(then, now + 3 * 3600));
  CHECK(s.accepted("double-bounce@here.test", now));
  CHECK_FALSE(s.accepted("double-bounce@elsewhere.test", now));
}

TEST_CASE("nobody can be the null sender") {
  CHECK_FALSE(sender("address_verify_sender = <>\n").accepted("", 1000));
}
