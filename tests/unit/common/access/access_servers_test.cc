// Tables of the hosts that serve a name.
#include <catch2/catch.hpp>

#include "tests/unit/common/access/harness.h"

using namespace postern;
using namespace postern::access::test;
using Catch::Contains;

namespace {

const std::map<std::string, std::vector<std::string>> zone = {
    {"MX client.test", {"10 mx.shady.test.", "20 ."}},
    {"NS client.test", {"ns.shady.test."}},
    {"MX here.test", {"10 mx.shady.test."}},
    {"NS here.test", {"ns.shady.test."}},
    {"host client.test", {"192.0.2.66"}},
    {"host here.test", {"192.0.2.66"}},
    {"host mx.shady.test", {"192.0.2.77"}},
    {"host ns.shady.test", {"192.0.2.88", "2001:db8::88"}},
};

}  // namespace

TEST_CASE("each party's hosts are looked up by their names and addresses") {
  struct Party {
    const char* stem;
    const char* kind;
  };
  const Party parties[] = {
      {"client", "<client.test[192.0.2.7]>: Client host"},
      {"reverse_client_hostname", "<client.test>: Unverified Client host"},
      {"helo", "<client.test>: Helo command"},
      {"sender", "<a@client.test>: Sender address"},
      {"recipient", "<b@here.test>: Recipient address"},
  };
  struct Case {
    const char* which;
    const char* key;
    bool refused;
  };
  const Case cases[] = {
      {"a", "192.0.2.66", true},     {"a", "192.0.2", true},
      {"a", "client.test", false},   {"a", "192.0.2.77", false},
      {"mx", "mx.shady.test", true}, {"mx", "shady.test", true},
      {"mx", "192.0.2.77", true},    {"mx", "client.test", false},
      {"ns", "ns.shady.test", true}, {"ns", "192.0.2.88", true},
      {"ns", "2001:db8::88", true},  {"ns", "192.0.2.77", false},
  };
  for (const Party& party : parties)
    for (const Case& c : cases) {
      CAPTURE(party.stem, c.which, c.key);
      Harness h(std::string("smtpd_recipient_restrictions = check_") +
                party.stem + "_" + c.which +
                "_access hash:/x\n"
                "parent_domain_matches_subdomains = smtpd_access_maps\n");
      h.questions.zone = zone;
      h.questions.table[c.key] = "REJECT shady";
      CHECK(h.rcpt() == (c.refused ? std::string("554 5.7.1 ") + party.kind +
                                         " rejected: shady"
                                   : ""));
    }
}

TEST_CASE(
    "a domain without records is its own exchanger, and its parent's "
    "child") {
  SECTION("its own exchanger") {
    Harness mx(
        "smtpd_recipient_restrictions = check_sender_mx_access hash:/x\n");
    mx.facts.sender = "a@only.test";
    mx.questions.zone["host only.test"] = {"192.0.2.5"};
    mx.questions.table["192.0.2.5"] = "REJECT";
    CHECK_THAT(mx.rcpt(), Contains("554 5.7.1 <a@only.test>: Sender address"));
  }
  SECTION("served by its parent's name servers") {
    Harness ns(
        "smtpd_recipient_restrictions = check_sender_ns_access hash:/x\n");
    ns.facts.sender = "a@deep.below.client.test";
    ns.questions.zone = zone;
    ns.questions.table["ns.shady.test"] = "REJECT";
    CHECK_THAT(ns.rcpt(), Contains("554 5.7.1 <a@deep.below.client.test>"));
  }
}

TEST_CASE("an address literal is its own exchanger") {
  for (const char* which : {"mx", "a", "ns"}) {
    CAPTURE(which);
    Harness h(std::string("smtpd_recipient_restrictions = check_sender_") +
              which + "_access hash:/x\n");
    h.facts.sender = "a@[192.0.2.9]";
    h.questions.table["192.0.2.9"] = "REJECT";
    CHECK((h.rcpt() != "") == (std::string(which) != "ns"));
  }
}

TEST_CASE("a name server that fails refuses nobody, and is told of") {
  Harness h(
      "smtpd_recipient_restrictions = check_sender_mx_access hash:/x, "
      "check_sender_ns_access hash:/x\n");
  h.questions.zone = {{"MX client.test", {"servfail"}},
                      {"NS client.test", {"servfail"}}};
  CHECK(h.rcpt() == "");
  CHECK_THAT(h.log_text(),
             Contains("warning: Unable to look up MX host for a@client.test: "
                      "Host not found, try again\n"));
  CHECK_THAT(h.log_text(), Contains("warning: Unable to look up NS host for "));
}

TEST_CASE("a stranger's own records never make it welcome") {
  const char* names[] = {"check_client_mx_access",
                         "check_helo_ns_access",
                         "check_sender_a_access",
                         "check_recipient_mx_access",
                         "check_reverse_client_hostname_ns_access",
                         "check_reverse_client_hostname_access"};
  for (const char* name : names) {
    CAPTURE(name);
    Harness h(std::string("smtpd_recipient_restrictions = ") + name +
              " hash:/x\n");
    h.questions.zone = zone;
    for (const char* key :
         {"192.0.2.66", "mx.shady.test", "ns.shady.test", "client.test"})
      h.questions.table[key] = "OK";
    CHECK(h.rcpt() == "451 4.3.5 Server configuration error");
    CHECK_THAT(h.log_text(), Contains(std::string("warning: restriction ") +
                                      name + " returns OK for "));
  }
}

TEST_CASE("a zone cannot make us ask without end") {
  Harness h("smtpd_recipient_restrictions = check_sender_mx_access hash:/x\n");
  for (int i = 0; i < 500; ++i)
    h.questions.zone["MX client.test"].push_back("10 mx" + std::to_string(i) +
                                                 ".test.");
  CHECK(h.rcpt() == "");
  CHECK(h.questions.asked.size() < 250);
}
