// What one decision costs: `test_access "[cost]"` prints it. Questions are
// answered at once, so it is the walk itself that is measured, without the way
// to lookup and back.
#include <catch2/catch.hpp>

#include <chrono>
#include <cstdio>

#include "tests/unit/common/access/harness.h"

using namespace postern::access::test;

TEST_CASE("the cost of a decision", "[.][cost]") {
  struct Case {
    const char* what;
    const char* settings;
  };
  const Case cases[] = {
      {"no restriction but relaying",
       "smtpd_recipient_restrictions = reject_unauth_destination\n"},
      {"a usual set of fifteen",
       "smtpd_client_restrictions = permit_mynetworks, "
       "reject_unknown_reverse_client_hostname\n"
       "smtpd_helo_restrictions = permit_mynetworks, "
       "reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname\n"
       "smtpd_sender_restrictions = permit_mynetworks, "
       "reject_non_fqdn_sender, reject_unknown_sender_domain, "
       "check_sender_access hash:/senders\n"
       "smtpd_recipient_restrictions = permit_mynetworks, "
       "reject_unauth_destination, reject_non_fqdn_recipient, "
       "reject_rbl_client bl.test, check_recipient_access hash:/recipients\n"
       "smtpd_data_restrictions = reject_unauth_pipelining\n"},
  };
  for (const Case& c : cases) {
    Harness h(c.settings);
    h.questions.zone["MX client.test"] = {"10 mx.client.test."};
    REQUIRE(h.rcpt() == "");
    constexpr int rounds = 20'000;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < rounds; ++i) {
      h.rcpt();
      h.questions.asked.clear();
    }
    const std::chrono::duration<double, std::micro> took =
        std::chrono::steady_clock::now() - begin;
    std::printf("%s: %.1f microseconds for each RCPT\n", c.what,
                took.count() / rounds);
  }
}
