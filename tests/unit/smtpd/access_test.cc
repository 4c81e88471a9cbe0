// Restrictions in a session: what is refused at which stage, and how.
#include <catch2/catch.hpp>

#include "tests/unit/smtpd/harness.h"

using namespace postern;
using namespace postern::smtpd::test;
using Catch::Contains;

namespace {

// The reply to RCPT after an ordinary beginning.
std::string rcpt(Harness& h, const std::string& to,
                 const std::string& from = "a@client.test",
                 const std::string& helo = "client.test") {
  h.hear();
  h.say("EHLO " + helo + "\r\n");
  h.say("MAIL FROM:<" + from + ">\r\n");
  return h.say("RCPT TO:<" + to + ">\r\n");
}

const char* stranger = "127.0.0.2";

}  // namespace

TEST_CASE("a stranger relays nowhere, whatever the address looks like") {
  const char* refused[] = {
      "x@elsewhere.test",
      "x@elsewhere.test@here.test",
      "x%elsewhere.test@here.test",
      "elsewhere.test!x@here.test",
      "@here.test:x@elsewhere.test",
      "\"x@elsewhere.test\"@here.test",
      "\"x%elsewhere.test\"@here.test",
      "x@elsewhere.test.",
  };
  for (const char* address : refused) {
    CAPTURE(address);
    Harness h("", stranger);
    const std::string reply = rcpt(h, address);
    CHECK_THAT(reply, Catch::StartsWith("454 4.7.1 <"));
    CHECK_THAT(reply, Contains(">: Relay access denied\n"));
    CHECK(h.around().messages.empty());
  }
  for (const char* address : {"a@here.test", "a@relay.test", "postmaster"}) {
    CAPTURE(address);
    Harness h("", stranger);
    CHECK(rcpt(h, address) == "250 2.1.5 Ok\n");
  }
}

TEST_CASE("our own networks relay") {
  Harness h;
  CHECK(rcpt(h, "x@elsewhere.test") == "250 2.1.5 Ok\n");
}

TEST_CASE("a refusal is logged with all that is known") {
  Harness h("smtpd_relay_restrictions = reject_unauth_destination\n", stranger);
  CHECK(rcpt(h, "x@elsewhere.test") ==
        "554 5.7.1 <x@elsewhere.test>: Relay access denied\n");
  CHECK_THAT(h.log_text(),
             Contains("NOQUEUE: reject: RCPT from unknown[127.0.0.2]: 554 5.7.1 "
                      "<x@elsewhere.test>: Relay access denied; "
                      "from=<a@client.test> to=<x@elsewhere.test> proto=ESMTP "
                      "helo=<client.test>\n"));
}

TEST_CASE("restrictions speak at RCPT in the order of the stages") {
  struct Case {
    const char* settings;
    const char* reply;
  };
  const Case cases[] = {
      {"smtpd_client_restrictions = reject\nsmtpd_helo_restrictions = reject",
       "554 5.7.1 <localhost[127.0.0.1]>: Client host rejected: Access "
       "denied\n"},
      {"smtpd_helo_restrictions = permit_mynetworks, reject", "250 2.1.5 Ok\n"},
      {"smtpd_helo_restrictions = reject",
       "554 5.7.1 <client.test>: Helo command rejected: Access denied\n"},
      {"smtpd_sender_restrictions = defer",
       "450 4.3.2 <a@client.test>: Sender address rejected: Try again "
       "later\n"},
      {"smtpd_sender_restrictions = reject_non_fqdn_sender\n"
       "smtpd_recipient_restrictions = reject_non_fqdn_recipient",
       "504 5.5.2 <bob@single>: Recipient address rejected: need "
       "fully-qualified address\n"},
      {"smtpd_recipient_restrictions = no_such_thing",
       "451 4.3.5 Server configuration error\n"},
      // Without its argument it says nothing, as in Postfix; the log has why.
      {"smtpd_recipient_restrictions = reject_rbl_client", "250 2.1.5 Ok\n"},
      {"smtpd_recipient_restrictions = defer_if_permit",
       "450 4.7.0 <bob@single>: Recipient address rejected: defer_if_permit "
       "requested\n"},
      {"smtpd_sender_restrictions = defer_if_permit",
       "450 4.7.0 <a@client.test>: Sender address rejected: defer_if_permit "
       "requested\n"},
      {"smtpd_recipient_restrictions = defer_if_reject, reject",
       "450 4.7.0 <bob@single>: Recipient address rejected: defer_if_reject "
       "requested\n"},
      {"smtpd_recipient_restrictions = warn_if_reject reject", "250 2.1.5 Ok\n"},
      {"smtpd_restriction_classes = mine\nmine = reject\n"
       "smtpd_recipient_restrictions = mine",
       "554 5.7.1 <bob@single>: Recipient address rejected: Access denied\n"},
      {"smtpd_restriction_classes = mine\nmine = mine\n"
       "smtpd_recipient_restrictions = mine",
       "451 4.3.5 Server configuration error\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.settings);
    Harness h(std::string(c.settings) + "\n");
    CHECK(rcpt(h, "bob@single") == c.reply);
  }
}

TEST_CASE("names that are not known or not built are told to the operator") {
  Harness h("smtpd_recipient_restrictions = bogus\n");
  rcpt(h, "a@here.test");
  CHECK_THAT(h.log_text(),
             Contains("warning: unknown smtpd restriction: \"bogus\"\n"));
  CHECK_THAT(h.log_text(), Contains("451 4.3.5 Server configuration error;"));
}

TEST_CASE("without delay each stage refuses at once") {
  SECTION("the client, who may then only quit") {
    Harness h("smtpd_delay_reject = no\nsmtpd_client_restrictions = reject\n");
    CHECK(h.hear() == "554 5.7.1 <localhost[127.0.0.1]>: Client host rejected: "
                      "Access denied\n");
    CHECK(h.say("HELO x\r\n") ==
          "503 5.7.0 Error: access denied for localhost[127.0.0.1]\n");
    CHECK(h.say("QUIT\r\n") == "221 2.0.0 Bye\n");
    CHECK_THAT(h.log_text(), Contains("NOQUEUE: reject: CONNECT from "));
  }
  SECTION("HELO and MAIL, which may be tried again") {
    Harness h("smtpd_delay_reject = no\n"
              "smtpd_helo_restrictions = reject_non_fqdn_helo_hostname\n"
              "smtpd_sender_restrictions = reject_non_fqdn_sender\n");
    h.hear();
    CHECK(h.say("HELO x\r\n") ==
          "504 5.5.2 <x>: Helo command rejected: need fully-qualified "
          "hostname\n");
    CHECK(h.say("HELO x.test\r\n") == "250 mail.here.test\n");
    CHECK(h.say("MAIL FROM:<a@b>\r\n") ==
          "504 5.5.2 <a@b>: Sender address rejected: need fully-qualified "
          "address\n");
    CHECK(h.say("MAIL FROM:<a@b.test>\r\n") == "250 2.1.0 Ok\n");
  }
}

TEST_CASE("DATA is judged for all recipients together") {
  Harness h("smtpd_data_restrictions = reject_multi_recipient_bounce\n");
  CHECK(rcpt(h, "a@here.test", "") == "250 2.1.5 Ok\n");
  CHECK(h.say("RCPT TO:<b@here.test>\r\n") == "250 2.1.5 Ok\n");
  CHECK(h.say("DATA\r\n") ==
        "550 5.5.3 <DATA>: Data command rejected: Multi-recipient bounce\n");
  CHECK_THAT(h.log_text(), Contains("Multi-recipient bounce; from=<> "
                                    "proto=ESMTP helo=<client.test>\n"));
}

TEST_CASE("the end of the data is judged before the message is kept") {
  Harness h("smtpd_end_of_data_restrictions = reject\n");
  CHECK(rcpt(h, "a@here.test") == "250 2.1.5 Ok\n");
  h.say("DATA\r\n");
  CHECK(h.say("x\r\n.\r\n") ==
        "554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied\n");
  CHECK_FALSE(h.around().messages.at(0).ended);
}

TEST_CASE("tables decide as access(5) says") {
  struct Case {
    const char* value;
    const char* reply;
  };
  const Case cases[] = {
      {"REJECT", "571 5.7.1 <r@here.test>: Recipient address rejected: Access "
                 "denied\n"},
      {"reject 5.7.9 mine",
       "571 5.7.9 <r@here.test>: Recipient address rejected: mine\n"},
      {"DEFER come back", "450 4.7.1 <r@here.test>: Recipient address "
                          "rejected: come back\n"},
      {"551 User moved", "551 5.7.1 <r@here.test>: Recipient address rejected: "
                         "User moved\n"},
      {"450", "250 2.1.5 Ok\n"},
      {"OK", "250 2.1.5 Ok\n"},
      {"DUNNO", "554 5.7.1 <r@here.test>: Recipient address rejected: Access "
                "denied\n"},
      {"DEFER_IF_REJECT later", "450 4.7.1 <r@here.test>: Recipient address "
                                "rejected: later\n"},
      {"permit_mynetworks", "250 2.1.5 Ok\n"},
      {"HANGUP", "421 4.7.0 Error: closing connection\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.value);
    Harness h("smtpd_recipient_restrictions = check_recipient_access hash:/x, "
              "reject\naccess_map_reject_code = 571\n");
    h.around().table["r@here.test"] = c.value;
    CHECK(rcpt(h, "r@here.test") == c.reply);
  }
}

TEST_CASE("clients are found by name, parent and network") {
  for (const char* key : {"127.0.0.2", "127.0.0", "127", "unknown"}) {
    CAPTURE(key);
    Harness h("smtpd_client_restrictions = check_client_access hash:/x\n",
              stranger);
    h.around().table[key] = "REJECT listed";
    CHECK(rcpt(h, "a@here.test") ==
          "554 5.7.1 <unknown[127.0.0.2]>: Client host rejected: listed\n");
  }
}

TEST_CASE("a table that cannot answer is never a no") {
  Harness h("smtpd_recipient_restrictions = check_recipient_access hash:/x\n");
  h.around().tables_broken = true;
  CHECK(rcpt(h, "a@here.test") ==
        "451 4.3.5 <a@here.test>: Recipient address rejected: Server "
        "configuration error\n");
}

TEST_CASE("a resolver that cannot answer defers") {
  Harness h("", stranger);
  CHECK(rcpt(h, "trouble@here.test") ==
        "451 4.3.0 <trouble@here.test>: Temporary lookup failure\n");
}

TEST_CASE("what a table asks for the message reaches cleanup") {
  Harness h("smtpd_sender_restrictions = check_sender_access hash:/x\n");
  h.around().table["a@client.test"] = "FILTER smtp:[127.0.0.1]:10025";
  CHECK(rcpt(h, "a@here.test") == "250 2.1.5 Ok\n");
  h.say("DATA\r\n");
  h.say(".\r\n");
  CHECK(h.around().messages.at(0).mark.filter == "smtp:[127.0.0.1]:10025");
}
