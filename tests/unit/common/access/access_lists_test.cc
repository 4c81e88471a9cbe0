// Lists in the domain name system.
#include <catch2/catch.hpp>

#include "tests/unit/common/access/harness.h"

using namespace postern;
using namespace postern::access::test;
using Catch::Contains;

TEST_CASE("a listed client, name or address is refused with the list's words") {
  struct Case {
    const char* restriction;
    const char* record;
    const char* what;
  };
  const Case cases[] = {
      {"reject_rbl_client", "7.2.0.192.bl.test", "Client host [192.0.2.7]"},
      {"reject_rbl", "7.2.0.192.bl.test", "Client host [192.0.2.7]"},
      {"reject_rhsbl_client", "client.test.bl.test",
       "Client host [client.test]"},
      {"reject_rhsbl_reverse_client", "client.test.bl.test",
       "Unverified Client host [client.test]"},
      {"reject_rhsbl_helo", "client.test.bl.test",
       "Helo command [client.test]"},
      {"reject_rhsbl_sender", "client.test.bl.test",
       "Sender address [a@client.test]"},
      {"reject_rhsbl_recipient", "here.test.bl.test",
       "Recipient address [b@here.test]"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.restriction);
    Harness h(std::string("smtpd_recipient_restrictions = ") + c.restriction +
              " bl.test\n");
    CHECK(h.rcpt() == "");
    h.questions.zone[std::string("A ") + c.record] = {"127.0.0.2"};
    CHECK(h.rcpt() == std::string("554 5.7.1 Service unavailable; ") + c.what +
                          " blocked using bl.test");
    h.questions.zone[std::string("TXT ") + c.record] = {"seen $x"};
    CHECK(h.rcpt() == std::string("554 5.7.1 Service unavailable; ") + c.what +
                          " blocked using bl.test; seen $x");
  }
}

TEST_CASE("only the answers that the filter names count") {
  struct Case {
    const char* filter;
    const char* answer;
    bool refused;
  };
  const Case cases[] = {
      {"", "127.0.0.9", true},
      {"=127.0.0.2", "127.0.0.2", true},
      {"=127.0.0.2", "127.0.0.3", false},
      {"=127.0.0.[2..11;13]", "127.0.0.11", true},
      {"=127.0.0.[2..11;13]", "127.0.0.12", false},
      {"=127.0.0.[2..11;13]", "127.0.0.13", true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.filter, c.answer);
    Harness h(std::string("smtpd_client_restrictions = reject_rbl_client "
                          "bl.test") + c.filter + "\n");
    h.questions.zone["A 7.2.0.192.bl.test"] = {c.answer};
    CHECK((h.rcpt() != "") == c.refused);
  }
}

TEST_CASE("an IPv6 client is asked for by its nibbles") {
  Harness h("smtpd_client_restrictions = reject_rbl_client bl.test\n");
  h.facts.client.address = "2001:db8::1";
  h.rcpt();
  CHECK(h.questions.asked.at(0) ==
        "A 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
        ".bl.test");
}

TEST_CASE("lists of domains are not asked for addresses") {
  for (const char* sender : {"a@[192.0.2.1]", "a@192.0.2.1", ""}) {
    CAPTURE(sender);
    Harness h("smtpd_sender_restrictions = reject_rhsbl_sender bl.test\n");
    h.facts.sender = sender;
    CHECK(h.rcpt() == "");
    CHECK(h.questions.asked.empty());
  }
  // Nor for a name that was not verified.
  Harness h("smtpd_client_restrictions = reject_rhsbl_client bl.test\n");
  h.facts.client.name_code = '6';
  h.rcpt();
  CHECK(h.questions.asked.empty());
}

TEST_CASE("a list that does not answer refuses nobody") {
  Harness h("smtpd_client_restrictions = reject_rbl_client bl.test\n");
  h.questions.zone["A 7.2.0.192.bl.test"] = {"servfail"};
  CHECK(h.rcpt() == "");
  CHECK_THAT(h.log_text(), Contains("warning: 7.2.0.192.bl.test: RBL lookup "
                                    "error: Host not found, try again\n"));
}

TEST_CASE("a filter that is none is told and matches nothing") {
  Harness h("smtpd_client_restrictions = reject_rbl_client bl.test=127.0.x\n");
  h.questions.zone["A 7.2.0.192.bl.test"] = {"127.0.0.2"};
  CHECK(h.rcpt() == "");
  CHECK_THAT(h.log_text(), Contains("bad address filter \"127.0.x\""));
}

TEST_CASE("the reply is the administrator's") {
  struct Case {
    const char* reply;
    const char* expected;
  };
  const Case cases[] = {
      {"521 4.7.9 $rbl_class|$rbl_what|$rbl_domain|${rbl_reason?{has "
       "$rbl_reason}:{none}}|$client|$helo_name|$sender_name|$sender_domain|"
       "$recipient|$recipient_name|$server_name",
       "521 5.7.9 Client host|192.0.2.7|bl.test|none|client.test[192.0.2.7]|"
       "client.test|a|client.test|b@here.test|b|mail.here.test"},
      {"450", "450 4.7.1 Service unavailable"},
      {"no reply at all", "450 4.7.1 Service unavailable"},
      {"$rbl_code listed", "554 5.7.1 listed"},
      // A template that cannot be expanded gives way to the default.
      {"554 ${rbl_code", "554 5.7.1 Service unavailable; Client host "
                         "[192.0.2.7] blocked using bl.test"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.reply);
    Harness h("smtpd_client_restrictions = reject_rbl_client bl.test=127.0.0.2\n"
              "rbl_reply_maps = hash:/replies\n");
    h.questions.zone["A 7.2.0.192.bl.test"] = {"127.0.0.2"};
    h.questions.table["bl.test=127.0.0.2"] = c.reply;
    CHECK(h.rcpt() == c.expected);
  }
}

TEST_CASE("the old restriction asks the lists of maps_rbl_domains") {
  Harness h("smtpd_client_restrictions = reject_maps_rbl\n"
            "maps_rbl_domains = one.test, two.test\n");
  h.questions.zone["A 7.2.0.192.two.test"] = {"127.0.0.2"};
  CHECK_THAT(h.rcpt(), Contains("blocked using two.test"));
  CHECK_THAT(h.log_text(), Contains("\"reject_maps_rbl\" is an old name"));
}

TEST_CASE("a welcome list permits, but nobody becomes a relay by it") {
  const std::string settings =
      "smtpd_recipient_restrictions = permit_dnswl_client wl.test, "
      "permit_rhswl_client wl.test, reject\n";
  struct Case {
    const char* record;
    const char* recipient;
    bool taken;
  };
  const Case cases[] = {
      {"A 7.2.0.192.wl.test", "b@here.test", true},
      {"A client.test.wl.test", "b@here.test", true},
      {"A 7.2.0.192.wl.test", "b@elsewhere.test", false},
      {"A 8.2.0.192.wl.test", "b@here.test", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.record, c.recipient);
    Harness h(settings);
    h.questions.zone[c.record] = {"127.0.0.2"};
    h.facts.recipient = c.recipient;
    CHECK((h.rcpt() == "") == c.taken);
  }
  // One that does not answer might have: a refusal is not final.
  Harness h(settings);
  h.questions.zone["A 7.2.0.192.wl.test"] = {"servfail"};
  CHECK(h.rcpt() ==
        "450 4.7.1 <192.0.2.7>: Client host rejected: Service unavailable");
}
