// Pure functions on text: command lines, replies, restriction lists, keywords.
#include <catch2/catch.hpp>

#include "common/access/facts.h"
#include "common/access/judgements.h"
#include "common/access/replies.h"
#include "common/access/restrictions.h"
#include "smtpd/command_line.h"
#include "smtpd/commands.h"
#include "smtpd/settings.h"

using namespace postern;
using namespace postern::smtpd;

TEST_CASE("a command line is cut at blanks") {
  struct Case {
    const char* line;
    const char* verb;
    const char* rest;
    std::size_t words;
  };
  const Case cases[] = {
      {"NOOP", "NOOP", "", 0},
      {"  mail FROM:<a@b>  SIZE=3 ", "mail", "FROM:<a@b>  SIZE=3", 2},
      {"RCPT\tTO:<x>", "RCPT", "TO:<x>", 1},
      {"", "", "", 0},
      {" \t ", "", "", 0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    const CommandLine got = parse_command_line(c.line);
    CHECK(got.verb == c.verb);
    CHECK(got.rest == c.rest);
    CHECK(got.words.size() == c.words);
  }
}

TEST_CASE("verbs are found whatever their case, and no others") {
  CHECK(find_command("mAiL").verb == Verb::mail);
  CHECK(find_command("BDAT").verb == Verb::bdat);
  CHECK(find_command("MAILX").verb == Verb::unknown);
  CHECK(find_command("UNKNOWN").verb == Verb::unknown);
  for (std::size_t i = 0; i < verb_count; ++i)
    CHECK(static_cast<std::size_t>(commands[i].verb) == i);
}

TEST_CASE("headers in place of commands are recognised") {
  CHECK(looks_like_header("Subject:"));
  CHECK(looks_like_header("Host:x"));
  CHECK_FALSE(looks_like_header("MAIL"));
  CHECK_FALSE(looks_like_header(":x"));
}

TEST_CASE("what strangers sent is shown without control characters") {
  CHECK(escaped("a\r\nb\t\\\1") == "a\\r\\nb\\t\\\\\\001");
  CHECK(harmless_name("a(b)<c>\"d;e@f g\r") == "a?b??c??d?e?f?g?");
}

TEST_CASE("a footer continues a reply or adds lines with its code") {
  const NameValue value = [](std::string_view name) {
    return name == "client" ? std::string("x\"y") : std::string();
  };
  const char* all = "abcdefghijklmnopqrstuvwxyz ";
  CHECK(with_footer("550 5.1.1 No", "\\c. Call $client", value, all).value() ==
        "550 5.1.1 No. Call x_y");
  CHECK(with_footer("550 5.1.1 No", "Call\\nus", value, all).value() ==
        "550-5.1.1 No\n550-5.1.1 Call\n550 5.1.1 us");
  CHECK(with_footer("500 No", "${client}!$(none)$$", value, all).value() ==
        "500-No\n500 x_y!$");
}

TEST_CASE("a refusal is one line whose classes agree") {
  CHECK(refusal(450, "5.1.1", "x", false) == "450 4.1.1 x");
  CHECK(refusal(554, "5.7.1", "a\nb", false) == "554 5.7.1 a b");
  CHECK(refusal(554, "5.7.1", "x", true) == "454 4.7.1 x");
  CHECK(refusal(554, "5.7.1", std::string(999, 'x'), false).size() == 510);
}

TEST_CASE("cleanup's trouble becomes a reply") {
  const auto reply = [](const Trouble& t) {
    return verdict_reply(ipc::TroubleWire::from(t));
  };
  CHECK(reply(give_up("3.4", "Error: message file too big")) ==
        "552 5.3.4 Error: message file too big");
  CHECK(reply(give_up("4.0", "Error: too many hops")) ==
        "554 5.4.0 Error: too many hops");
  CHECK(reply(give_up("7.1", "no spam")) == "550 5.7.1 no spam");
  CHECK(reply(try_later("3.0", "Error: queue file write error")) ==
        "451 4.3.0 Error: queue file write error");
  CHECK(reply(try_later("3.1", "full")) == "452 4.3.1 full");
  CHECK(reply(give_up("7.0", "550 5.9.9 said a milter")) ==
        "550 5.9.9 said a milter");
  CHECK(begin_reply(ipc::TroubleWire::from(try_later("3.1", "x"))) ==
        "452 4.3.1 Insufficient system storage");
}

TEST_CASE("replies of several lines end each in CRLF") {
  CHECK(wire_form("250-a\n250 b") == "250-a\r\n250 b\r\n");
}

TEST_CASE("escapes in smtpd_expansion_filter are characters") {
  CHECK(filter_characters("\\t\\40!\\\\a") == "\t !\\a");
}

TEST_CASE("restriction lists are read as they stand") {
  const RestrictionList list = parse_restrictions(
      "permit_mynetworks, warn_if_reject reject_non_fqdn_sender "
      "check_client_access hash:/x mine cidr:/y bogus check_helo_access",
      {"mine"});
  REQUIRE(list.size() == 7);
  CHECK(list[0].check == Check::permit_mynetworks);
  CHECK(list[1].check == Check::reject_non_fqdn_sender);
  CHECK(list[1].warn_only);
  CHECK(list[2].check == Check::check_client_access);
  CHECK(list[2].argument == "hash:/x");
  CHECK_FALSE(list[2].warn_only);
  CHECK(list[3].check == Check::restriction_class);
  CHECK(list[4].check == Check::table);
  CHECK(list[5].check == Check::unknown);
  CHECK(list[6].check == Check::no_argument);
}

TEST_CASE("relaying is protected only by what is reached and meant") {
  struct Case {
    const char* value;
    bool protects;
  };
  const Case cases[] = {
      {"", false},
      {"permit_mynetworks", false},
      {"permit_mynetworks, reject_unauth_destination", true},
      {"permit_mynetworks, permit, reject_unauth_destination", false},
      {"warn_if_reject reject_unauth_destination", false},
      {"permit_mynetworks defer_unauth_destination", true},
      {"permit_mynetworks reject", true},
      {"defer_if_permit", true},
      {"strict", true},
      {"loose", false},
      {"loop", false},
      {"check_recipient_access hash:/x", false},
  };
  RestrictionClasses classes;
  const std::vector<std::string> names{"strict", "loose", "loop"};
  classes["strict"] = parse_restrictions("reject_unauth_destination", names);
  classes["loose"] = parse_restrictions("permit_mynetworks", names);
  classes["loop"] = parse_restrictions("loop", names);
  for (const Case& c : cases) {
    CAPTURE(c.value);
    CHECK(protects_from_relaying(parse_restrictions(c.value, names), classes) ==
          c.protects);
  }
}

TEST_CASE("EHLO keywords and notify classes are sets of words") {
  std::vector<std::string> unknown;
  CHECK(parse_keywords("pipelining, 8BITMIME x", &unknown) ==
        (keyword_pipelining | keyword_8bitmime));
  CHECK(unknown == std::vector<std::string>{"x"});
  CHECK(keywords_text(keyword_pipelining | keyword_8bitmime) ==
        "8BITMIME PIPELINING");
  CHECK(parse_notify_classes("policy 2bounce", nullptr) ==
        static_cast<unsigned>(Fault::policy));
}

TEST_CASE("HELO names are judged by their form") {
  struct Case {
    const char* name;
    const char* syntax;  // "" when nothing is wrong
    const char* fqdn;
  };
  const Case cases[] = {
      {"a.test", "", ""},
      {"a.test.", "", ""},
      {"single", "",
       "<single>: Helo command rejected: need fully-qualified hostname"},
      {"-bad-.test", "<-bad-.test>: Helo command rejected: Invalid name",
       "<-bad-.test>: Helo command rejected: need fully-qualified hostname"},
      {"127.0.0.1", "",
       "<127.0.0.1>: Helo command rejected: need fully-qualified hostname"},
      {"[127.0.0.1]", "", ""},
      {"[1.2.3]", "<[1.2.3]>: Helo command rejected: invalid ip address",
       "<[1.2.3]>: Helo command rejected: invalid ip address"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(judge_helo_syntax(c.name, 501).text == c.syntax);
    CHECK(judge_helo_fqdn(c.name, 504, 501).text == c.fqdn);
  }
}

TEST_CASE("addresses are judged by their domain") {
  CHECK(judge_fqdn_address("a@b.test", "Sender address", 504).what ==
        Judged::What::nothing);
  CHECK(judge_fqdn_address("a@[1.2.3.4]", "Sender address", 504).what ==
        Judged::What::nothing);
  const Judged bad = judge_fqdn_address("a@host", "Sender address", 504);
  CHECK(bad.code == 504);
  CHECK(bad.status == "5.5.2");
  CHECK(bad.text ==
        "<a@host>: Sender address rejected: need fully-qualified address");
}

TEST_CASE("an event line tells what is known and no more") {
  Facts facts;
  facts.client.name = "localhost";
  facts.client.address = "127.0.0.1";
  CHECK(event_line(facts, "reject", "no") ==
        "NOQUEUE: reject: CONNECT from localhost[127.0.0.1]: no; proto=SMTP");
  facts.where = "RCPT";
  facts.sender = "";
  facts.recipient = "a b@c";
  facts.helo = "h";
  facts.queue_id = "Q1";
  CHECK(event_line(facts, "reject", "no") ==
        "Q1: reject: RCPT from localhost[127.0.0.1]: no; from=<> "
        "to=<\"a b\"@c> proto=SMTP helo=<h>");
}
