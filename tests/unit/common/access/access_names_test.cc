// Restrictions that ask the domain name system.
#include <catch2/catch.hpp>

#include "tests/unit/common/access/harness.h"

using namespace postern;
using namespace postern::access::test;
using Catch::Contains;

TEST_CASE("a sender's domain must be able to get mail") {
  struct Case {
    const char* sender;
    const char* reply;
  };
  const Case cases[] = {
      {"a@mx.test", ""},
      {"a@aonly.test", ""},
      {"a@six.test", ""},
      {"", ""},
      {"a@here.test", ""},  // ours: no proof needed
      {"a@[192.0.2.9]", ""},
      {"a@none.test",
       "550 5.1.8 <a@none.test>: Sender address rejected: Domain not found"},
      {"a@nullmx.test",
       "550 5.7.27 <a@nullmx.test>: Sender address rejected: Domain "
       "nullmx.test does not accept mail (nullMX)"},
      // No proof of anything; put off when nothing else decides.
      {"a@broken.test",
       "450 4.1.8 <a@broken.test>: Sender address rejected: Domain not found"},
      {"a@half.test", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.sender);
    Harness h(
        "smtpd_sender_restrictions = reject_unknown_sender_domain\n"
        "unknown_address_reject_code = 550\n");
    h.questions.zone = {
        {"MX mx.test", {"10 mail.mx.test."}}, {"A aonly.test", {"192.0.2.2"}},
        {"AAAA six.test", {"2001:db8::1"}},   {"MX nullmx.test", {"0 ."}},
        {"MX broken.test", {"servfail"}},     {"MX half.test", {"servfail"}},
        {"A half.test", {"192.0.2.3"}}};
    h.facts.sender = c.sender;
    CHECK(h.rcpt() == c.reply);
  }
}

TEST_CASE("a temporary failure waits for the verdict, or does not") {
  const char* later =
      "smtpd_recipient_restrictions = "
      "reject_unknown_sender_domain, reject\n";
  SECTION("kept, a refusal comes first") {
    Harness h(later);
    h.questions.zone["MX client.test"] = {"servfail"};
    CHECK_THAT(h.rcpt(), Contains("554 5.7.1 <b@here.test>: Recipient address "
                                  "rejected: Access denied"));
  }
  SECTION("given at once") {
    Harness now(std::string(later) +
                "unknown_address_tempfail_action = defer\n");
    now.questions.zone["MX client.test"] = {"servfail"};
    CHECK_THAT(now.rcpt(), Contains("450 4.1.8 <a@client.test>: "));
  }
  SECTION("only warned about: said at once, and no consequence") {
    Harness warned(
        "smtpd_recipient_restrictions = warn_if_reject "
        "reject_unknown_sender_domain\n");
    warned.questions.zone["MX client.test"] = {"servfail"};
    CHECK(warned.rcpt() == "");
    CHECK_THAT(warned.log_text(), Contains("reject_warning: RCPT from "));
  }
}

TEST_CASE("a recipient's domain is judged with words of its own") {
  Harness h("smtpd_recipient_restrictions = reject_unknown_recipient_domain\n");
  h.facts.recipient = "x@none.test";
  CHECK(h.rcpt() ==
        "450 4.1.2 <x@none.test>: Recipient address rejected: "
        "Domain not found");
  h.questions.zone["MX none.test"] = {"0 ."};
  CHECK(h.rcpt() ==
        "556 5.1.10 <x@none.test>: Recipient address rejected: "
        "Domain none.test does not accept mail (nullMX)");
  h.facts.recipient = "x@relay.test";
  h.questions.zone["A relay.test"] = {"192.0.2.1"};
  CHECK(h.rcpt() == "");
}

TEST_CASE("the old name for both judges whom its list is about") {
  SECTION("the sender") {
    Harness h("smtpd_sender_restrictions = reject_unknown_address\n");
    CHECK_THAT(h.rcpt(), Contains("<a@client.test>: Sender address rejected"));
  }
  SECTION("the recipient") {
    Harness r("smtpd_recipient_restrictions = reject_unknown_address\n");
    r.facts.recipient = "x@none.test";
    CHECK_THAT(r.rcpt(), Contains("<x@none.test>: Recipient address rejected"));
  }
}

TEST_CASE("a HELO name has an address or a mail exchanger") {
  struct Case {
    const char* helo;
    const char* reply;
  };
  const Case cases[] = {
      {"a.test", ""},
      {"mx.test", ""},
      {"nullmx.test", ""},
      {"[192.0.2.7]", ""},
      {"[nonsense]",
       "501 5.5.2 <[nonsense]>: Helo command rejected: invalid ip address"},
      {"none.test",
       "550 5.7.1 <none.test>: Helo command rejected: Host not "
       "found"},
      {"broken.test",
       "450 4.7.1 <broken.test>: Helo command rejected: Host "
       "not found"},
  };
  for (const char* name :
       {"reject_unknown_helo_hostname", "reject_unknown_hostname"})
    for (const Case& c : cases) {
      CAPTURE(name, c.helo);
      Harness h(std::string("smtpd_helo_restrictions = ") + name +
                "\nunknown_hostname_reject_code = 550\n");
      h.questions.zone = {{"A a.test", {"192.0.2.2"}},
                          {"MX mx.test", {"10 a.test."}},
                          {"MX nullmx.test", {"0 ."}},
                          {"A broken.test", {"servfail"}}};
      h.facts.helo = c.helo;
      CHECK(h.rcpt() == c.reply);
    }
}

TEST_CASE("a client's names are judged by what was found when it came") {
  struct Case {
    const char* restriction;
    char name_code, reverse_code;
    const char* reply;
  };
  const char* name = "reject_unknown_client_hostname";
  const char* old = "reject_unknown_client";
  const char* reverse = "reject_unknown_reverse_client_hostname";
  const char* forward = "reject_unknown_forward_client_hostname";
  const char* no_name =
      "550 5.7.25 Client host rejected: cannot find your hostname, "
      "[192.0.2.7]";
  const char* name_later =
      "450 4.7.25 Client host rejected: cannot find your hostname, "
      "[192.0.2.7]";
  const char* no_reverse =
      "550 5.7.1 Client host rejected: cannot find your reverse hostname, "
      "[192.0.2.7]";
  const char* no_forward =
      "550 5.7.25 Client host rejected: cannot find the address of your "
      "hostname, [192.0.2.7]";
  const Case cases[] = {
      {name, '2', '2', ""},
      {name, '5', '5', no_name},
      {name, '4', '2', name_later},
      {name, '6', '2', no_name},
      {old, '5', '5', no_name},
      {reverse, '6', '2', ""},
      {reverse, '5', '5', no_reverse},
      {reverse, '4', '4',
       "450 4.7.1 Client host rejected: cannot find your reverse hostname, "
       "[192.0.2.7]"},
      {forward, '2', '2', ""},
      {forward, '6', '2', ""},
      {forward, '5', '5', ""},
      {forward, '5', '2', no_forward},
  };
  for (const Case& c : cases) {
    CAPTURE(c.restriction, c.name_code, c.reverse_code);
    Harness h(std::string("smtpd_client_restrictions = ") + c.restriction +
              "\nunknown_client_reject_code = 550\n");
    h.facts.client.name_code = c.name_code;
    h.facts.client.reverse_code = c.reverse_code;
    CHECK(h.rcpt() == c.reply);
  }
}

TEST_CASE("a backup mail exchanger takes what it stands in for") {
  const std::string settings =
      "smtpd_recipient_restrictions = permit_mx_backup, "
      "reject_unauth_destination\nproxy_interfaces = 192.0.2.50\n";
  struct Case {
    const char* recipient;
    bool taken;
  };
  const Case cases[] = {
      {"x@here.test", true},       // ours
      {"x@relay.test", true},      // relayed for
      {"x@byname.test", true},     // we are its second
      {"x@byaddress.test", true},  // by the address of one
      {"x@primary.test", false},   // we are its first
      {"x@other.test", false},    {"x%evil.test@byname.test", false},
  };
  const std::map<std::string, std::vector<std::string>> zone = {
      {"MX byname.test", {"5 first.test.", "10 mail.here.test."}},
      {"MX byaddress.test", {"5 first.test.", "10 second.test."}},
      {"MX primary.test", {"5 mail.here.test.", "10 second.elsewhere.test."}},
      {"MX other.test", {"5 first.test."}},
      {"host first.test", {"203.0.113.1"}},
      {"host second.test", {"192.0.2.50"}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.recipient);
    Harness h(settings);
    h.questions.zone = zone;
    h.facts.recipient = c.recipient;
    CHECK((h.rcpt() == "") == c.taken);
  }
  // And only in the networks of those it stands in for.
  for (const char* networks : {"203.0.113.0/24", "198.51.100.0/24"}) {
    CAPTURE(networks);
    Harness h(settings + "permit_mx_backup_networks = " + networks + "\n");
    h.questions.zone = zone;
    h.facts.recipient = "x@byname.test";
    CHECK((h.rcpt() == "") == (std::string(networks) == "203.0.113.0/24"));
  }
}

TEST_CASE("a backup whose domain cannot be looked up is not refused for good") {
  Harness h("smtpd_recipient_restrictions = permit_mx_backup, reject\n");
  h.facts.recipient = "x@broken.test";
  h.questions.zone["MX broken.test"] = {"servfail"};
  CHECK(h.rcpt() ==
        "450 4.4.4 <x@broken.test>: Recipient address rejected: Unable to look "
        "up mail exchanger information");
}
