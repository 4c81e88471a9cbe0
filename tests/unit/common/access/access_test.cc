// The walk through lists: what is logged and traced, and that every name of
// the table is one that the evaluator knows.
#include <catch2/catch.hpp>

#include <set>

#include "tests/unit/common/access/harness.h"

using namespace postern;
using namespace postern::access;
using namespace postern::access::test;
using Catch::Contains;

TEST_CASE("every restriction name can be evaluated") {
  for (const RestrictionName& row : restriction_names()) {
    CAPTURE(std::string(row.name));
    std::string argument;
    if (row.argument == Argument::table ||
        row.argument == Argument::certificate)
      argument = " hash:/x";
    if (row.argument == Argument::domain) argument = " list.test";
    if (row.argument == Argument::seconds) argument = " 0";
    if (row.argument == Argument::service) argument = " unix:p";
    Harness h("smtpd_recipient_restrictions = " + std::string(row.name) +
              argument + ", permit\n");
    h.questions.actions["p"] = "DUNNO";
    CHECK_THAT(h.rcpt(), !Contains("configuration error"));
    CHECK_THAT(h.log_text(), !Contains("not available"));
  }
}

TEST_CASE("permissions are logged where that is wished") {
  const std::string settings =
      "smtpd_client_restrictions = check_client_access inline:{192.0.2.7=OK}\n"
      "smtpd_restriction_classes = mine\nmine = permit\n"
      "smtpd_sender_restrictions = mine\n"
      "smtpd_recipient_restrictions = permit_auth_destination\n";
  SECTION("all") {
    Harness all(settings + "smtpd_log_access_permit_actions = static:all\n");
    all.questions.table["192.0.2.7"] = "OK";
    all.rcpt();
    CHECK_THAT(
        all.log_text(),
        Contains("permit: RCPT from client.test[192.0.2.7]: action=OK for "
                 "Client host=client.test[192.0.2.7] from "
                 "inline:{192.0.2.7=OK}; from=<a@client.test> "));
    CHECK_THAT(all.log_text(), Contains("action=permit for Sender "
                                        "address=a@client.test ; from="));
    CHECK_THAT(all.log_text(), Contains("action=permit_auth_destination for "
                                        "Recipient address=b@here.test ; "));
  }
  SECTION("one") {
    Harness one(settings + "smtpd_log_access_permit_actions = permit\n");
    one.rcpt();
    CHECK_THAT(one.log_text(), !Contains("permit_auth_destination"));
    CHECK_THAT(one.log_text(), Contains("action=permit for Sender address"));
  }
  SECTION("none") {
    Harness none(settings);
    none.rcpt();
    CHECK(none.log_text().empty());
  }
}

TEST_CASE("a HELO name that is an address was once welcome") {
  struct Case {
    const char* helo;
    const char* reply;
  };
  const Case cases[] = {
      {"192.0.2.7", ""},
      {"192.0.2.777", "501 5.5.2 <192.0.2.777>: Helo command rejected: "
                      "invalid ip address"},
      {"client.test", "554 5.7.1 <b@here.test>: Recipient address rejected: "
                      "Access denied"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.helo);
    Harness h("smtpd_recipient_restrictions = permit_naked_ip_address, "
              "reject\n");
    h.facts.helo = c.helo;
    CHECK(h.rcpt() == c.reply);
    CHECK_THAT(h.log_text(), Contains("permit_naked_ip_address is "
                                      "deprecated"));
  }
}

namespace {

class Recorder final : public Trace {
 public:
  void stage(std::string_view parameter) override {
    text += "[" + std::string(parameter) + "]";
  }
  void begins(const Restriction& one, int depth) override {
    text += " " + std::to_string(depth) + one.name;
  }
  void ends(const Restriction&, int, std::string_view outcome,
            std::string_view reply) override {
    text += "=" + std::string(outcome);
    if (!reply.empty()) text += "(" + std::string(reply.substr(0, 3)) + ")";
  }
  std::string text;
};

}  // namespace

TEST_CASE("a trace hears each step in order") {
  Harness h(
      "smtpd_restriction_classes = mine\nmine = reject\n"
      "smtpd_client_restrictions = permit_mynetworks\n"
      "smtpd_recipient_restrictions = reject_unauth_destination, mine\n");
  Recorder recorder;
  h.access().tell_steps_to(&recorder);
  h.rcpt();
  CHECK(recorder.text ==
        "[smtpd_client_restrictions] 0permit_mynetworks=go on"
        "[smtpd_helo_restrictions][smtpd_sender_restrictions]"
        "[smtpd_relay_restrictions][smtpd_recipient_restrictions] "
        "0reject_unauth_destination=go on 0mine 1reject=reject(554)"
        "=reject(554)");
}

TEST_CASE("behind a filter nobody is unknown, whatever the lists say") {
  const std::string lists =
      "mydestination = here.test\nsmtpd_reject_unlisted_sender = yes\n"
      "smtpd_recipient_restrictions = reject_unlisted_recipient, "
      "reject_unlisted_sender, permit\n";
  const std::string strict = lists + "smtpd_relay_restrictions =\n";
  const auto judge = [](const std::string& settings) {
    Harness h(settings);
    h.facts.recipient = "unknown@here.test";
    h.facts.sender = "unknown@here.test";
    return h.rcpt().substr(0, 3);
  };
  CHECK(judge(strict) == "550");
  CHECK(judge(strict + "receive_override_options = "
                       "no_unknown_recipient_checks\n") == "");
}

TEST_CASE("relaying is denied to the recipient, in whatever list") {
  Harness h("smtpd_client_restrictions = reject_unauth_destination\n");
  h.facts.recipient = "x@elsewhere.test";
  CHECK(h.rcpt() == "554 5.7.1 <x@elsewhere.test>: Relay access denied");
}
