// What postern check says of restriction lists.
#include "common/access/check.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::access;
using Catch::Contains;

namespace {

std::string findings(const std::string& main, const std::string& master = "") {
  const auto config = config::Config::parse(main, "/etc/postern");
  std::vector<config::TableProblem> problems;
  const auto table = config::MasterTable::read(
      master, "/etc/postern/master.conf", problems);
  std::string out;
  for (const config::Finding& each : check_restrictions(*config, table))
    out += config::describe(each) + "\n";
  return out;
}

}  // namespace

TEST_CASE("a sound configuration has nothing to tell") {
  CHECK(findings("smtpd_restriction_classes = mine\nmine = permit\n"
                 "smtpd_recipient_restrictions = permit_mynetworks,\n"
                 " reject_rbl_client bl.test=127.0.0.[2..4], mine, hash:/x\n"
                 " check_policy_service { inet:h:1, timeout=3 }\n") == "");
}

TEST_CASE("faults are told with their line and what to do") {
  struct Case {
    const char* list;
    const char* text;
    const char* hint;
  };
  const Case cases[] = {
      {"reject_unath_destination", "unknown restriction: "
       "reject_unath_destination", "did you mean reject_unauth_destination?"},
      {"something_else", "unknown restriction: something_else",
       "smtpd_restriction_classes"},
      {"reject_rbl_client", "reject_rbl_client needs an argument", "a domain"},
      {"reject_rbl_client b.test=1.2.3", "bad address filter \"1.2.3\"", ""},
      {"check_policy_service 127.0.0.1:1", "expected inet:host:port", ""},
      {"reject_unknown_client", "reject_unknown_client is an old name",
       "write reject_unknown_client_hostname"},
      {"reject_maps_rbl", "reject_maps_rbl is obsolete",
       "reject_rbl_client"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.list);
    const std::string told = findings(
        std::string("# one\nsmtpd_sender_restrictions = ") + c.list + "\n");
    CHECK_THAT(told, Contains("/etc/postern/main.conf, line 2: "
                              "smtpd_sender_restrictions: "));
    CHECK_THAT(told, Contains(c.text));
    CHECK_THAT(told, Contains(c.hint));
  }
}

TEST_CASE("a class needs a definition; options of rows are read too") {
  CHECK_THAT(findings("smtpd_restriction_classes = mine\n"),
             Contains("restriction class mine needs a definition"));
  CHECK_THAT(findings("", "smtp inet n - n - - smtpd\n"
                          " -o smtpd_client_restrictions=permt\n"),
             Contains("master.conf, line 1: smtpd_client_restrictions: unknown "
                      "restriction: permt"));
}

TEST_CASE("a restriction's line is found in its setting") {
  const char* main =
      "a = b\n"
      "list = permit_mynetworks,\n"
      "# permit not here\n"
      "  check_x hash:/a permit\n"
      "  permit\n"
      "other = permit\n";
  CHECK(line_of_word(main, 2, "permit_mynetworks", 0) == 2);
  CHECK(line_of_word(main, 2, "permit", 0) == 4);
  CHECK(line_of_word(main, 2, "permit", 1) == 5);
  CHECK(line_of_word(main, 2, "permit", 2) == 2);
  CHECK(line_of_word(main, 2, "list", 0) == 2);
}
