#include "common/mail/check_action.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace postern::mail;

TEST_CASE("rules of header_checks are read", "[mail]") {
  struct Case {
    std::string rule;
    CheckAction action;
    std::string text, status, warning;
  };
  using A = CheckAction;
  const std::string needs_header =
      " -- need \"headername: headervalue\"";
  const std::vector<Case> cases = {
      {"REJECT", A::reject, "message content rejected", "5.7.1", ""},
      {"reject  no thanks ", A::reject, "no thanks", "5.7.1", ""},
      {"REJECT 4.7.9 later", A::reject, "later", "4.7.9", ""},
      {"REJECT 5.7.9", A::reject, "", "5.7.9", ""},
      {"REJECT 550 x", A::reject, "550 x", "5.7.1", ""},
      {"REJECT 2.0.0 x", A::reject, "x", "4.0.0",
       "bad DSN action in 2.0.0 x -- need 4.x.x or 5.x.x"},
      {"DISCARD", A::discard, "", "", ""},
      {"HOLD why", A::hold, "why", "", ""},
      {"OK", A::dunno, "", "", ""},
      {"Dunno x", A::dunno, "x", "", ""},
      {"IGNORE", A::ignore, "", "", ""},
      {"STRIP it", A::strip, "it", "", ""},
      {"INFO\tx", A::info, "x", "", ""},
      {"WARN x", A::warn, "x", "", ""},
      {"PASS", A::pass, "", "", ""},
      {"FILTER a:b", A::filter, "a:b", "", ""},
      {"FILTER a:", A::filter, "a:", "", ""},
      {"FILTER", A::dunno, "", "",
       "missing FILTER command argument in header_checks map"},
      {"FILTER a", A::dunno, "", "",
       "bad FILTER command a in header_checks -- need transport:destination"},
      {"REDIRECT a@b", A::redirect, "a@b", "", ""},
      {"REDIRECT a", A::dunno, "", "",
       "bad REDIRECT target \"a\" in header_checks map -- need user@domain"},
      {"BCC a@b", A::bcc, "a@b", "", ""},
      {"BCC @b", A::dunno, "", "",
       "bad BCC address \"@b\" in header_checks map -- need user@domain"},
      {"BCC a@", A::dunno, "", "",
       "bad BCC address \"a@\" in header_checks map -- need user@domain"},
      {"REPLACE A: b c", A::replace, "A: b c", "", ""},
      {"REPLACE", A::dunno, "", "",
       "REPLACE action without text in header_checks map"},
      {"REPLACE a b", A::dunno, "", "",
       "bad REPLACE header text \"a b\" in header_checks map" + needs_header},
      {"PREPEND A: b", A::prepend, "A: b", "", ""},
      {"PREPEND ab", A::dunno, "", "",
       "bad PREPEND header text \"ab\" in header_checks map" + needs_header},
      {"DEFER x", A::dunno, "", "",
       "unknown command in header_checks map: DEFER x"},
      {"", A::dunno, "", "", "unknown command in header_checks map: "},
  };
  for (const Case& c : cases) {
    CAPTURE(c.rule);
    CheckPlace place;
    place.table = "header_checks";
    const CheckVerdict got = parse_check(c.rule, place);
    CHECK(got.check.action == c.action);
    CHECK(got.check.text == c.text);
    CHECK(got.check.status == c.status);
    CHECK(got.warning == c.warning);
  }
}

TEST_CASE("lines of the body need not be headers", "[mail]") {
  CheckPlace place;
  place.table = "body_checks";
  place.header = false;
  CHECK(parse_check("REPLACE any words", place).check.action ==
        CheckAction::replace);
  CHECK(parse_check("PREPEND any words", place).check.text == "any words");
}

TEST_CASE("while mail is sent only its text can change", "[mail]") {
  CheckPlace place;
  place.table = "smtp_header_checks";
  place.while_sending = true;
  for (const char* possible : {"DUNNO", "OK", "IGNORE", "INFO x", "STRIP",
                               "WARN", "REPLACE A: b", "PREPEND A: b"}) {
    CAPTURE(possible);
    CHECK(parse_check(possible, place).warning.empty());
  }
  for (const char* other : {"REJECT", "DISCARD", "HOLD", "FILTER a:b", "PASS",
                            "REDIRECT a@b", "BCC a@b"}) {
    CAPTURE(other);
    const CheckVerdict got = parse_check(other, place);
    CHECK(got.check.action == CheckAction::dunno);
    CHECK(got.warning ==
          "unsupported command in smtp_header_checks map: " +
              std::string(other));
  }
}
