// Status codes, replies (status.h) and dates (date.h).
#include "common/mail/status.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "common/mail/date.h"

using namespace postern::mail;

TEST_CASE("enhanced status codes are told from other words", "[mail][status]") {
  for (const char* good : {"2.0.0", "4.12.345", "5.1.1"}) {
    CAPTURE(good);
    CHECK(valid_status(good));
  }
  for (const char* bad : {"", "5", "5.1", "5.1.", "3.1.1", "5.1234.1", "5.1.1x",
                          "5..1", "5.1.1 ", "5.1.1.1", "51.1.1"}) {
    CAPTURE(bad);
    CHECK_FALSE(valid_status(bad));
  }
  CHECK(status_length("5.1.1 no") == 5);
  CHECK(status_length("5.1.1no") == 0);
}

TEST_CASE("a text is split into status and words", "[mail][status]") {
  CHECK(split_status("5.1.1  no such user", "4.0.0").status == "5.1.1");
  CHECK(split_status("5.1.1  no such user", "4.0.0").text == "no such user");
  CHECK(split_status("go away", "5.7.1").status == "5.7.1");
  CHECK(split_status("go away", "5.7.1").text == "go away");
}

TEST_CASE("soft bounces turn 5 into 4 and nothing else", "[mail][status]") {
  CHECK(soften_status("5.1.1") == "4.1.1");
  CHECK(soften_status("2.0.0") == "2.0.0");
  CHECK(soften_reply("550 5.1.1 no") == "450 4.1.1 no");
  CHECK(soften_reply("550-5.1.1 no") == "450-4.1.1 no");
  CHECK(soften_reply("554 500 words") == "454 500 words");
  CHECK(soften_reply("250 2.0.0 Ok") == "250 2.0.0 Ok");
  CHECK(soften_reply("5") == "5");
}

TEST_CASE("codes and statuses agree in class", "[mail][status]") {
  CHECK(status_for_code(550) == "5.0.0");
  CHECK(status_for_code(354) == "");
  CHECK(code_for_status("5.7.1", 554) == 554);
  CHECK(code_for_status("4.7.1", 554) == 450);
  CHECK(code_for_status("junk", 554) == 554);
}

TEST_CASE("replies are read line by line", "[mail][status]") {
  ReplyParser parser;
  CHECK(parser.feed("250-mail.test\r\n") == ReplyParser::Step::more);
  CHECK(parser.feed("250-SIZE 5") == ReplyParser::Step::more);
  CHECK(parser.feed("250 2.0.0 Ok then") == ReplyParser::Step::done);
  const ParsedReply reply = parser.take();
  CHECK(reply.code == 250);
  CHECK(reply.status == "2.0.0");
  CHECK(reply.last_text() == "Ok then");
  CHECK(reply.text() == "250-mail.test 250-SIZE 5 250 2.0.0 Ok then");

  CHECK(parser.feed("550") == ReplyParser::Step::done);
  const ParsedReply bare = parser.take();
  CHECK(bare.code == 550);
  CHECK(bare.status.empty());
  CHECK(bare.lines.size() == 1);
}

TEST_CASE("what is no reply line is called garbage", "[mail][status]") {
  for (const char* line : {"", "hello", "25", "2500 x", "25x ok", "250x",
                           "099 ", "\x80\x80\x80"}) {
    CAPTURE(line);
    ReplyParser parser;
    CHECK(parser.feed(line) == ReplyParser::Step::garbage);
  }
  ReplyParser parser;
  parser.feed("oops");
  CHECK(parser.feed("450 4.1.1x") == ReplyParser::Step::done);
  const ParsedReply reply = parser.take();
  CHECK(reply.code == 450);
  CHECK(reply.lines.size() == 2);
  CHECK(reply.status.empty());
}

TEST_CASE("a status of another class than the code is not believed",
          "[mail][status]") {
  ReplyParser parser;
  parser.feed("550 4.1.1 confused");
  CHECK(parser.take().status.empty());
}

TEST_CASE("an endless reply takes bounded memory", "[mail][status]") {
  ReplyParser parser;
  for (int i = 0; i < 10000; ++i) parser.feed("250-" + std::string(500, 'x'));
  CHECK(parser.feed("550 no") == ReplyParser::Step::done);
  const ParsedReply reply = parser.take();
  CHECK(reply.code == 550);
  CHECK(reply.text().size() < 2 * ReplyParser::max_bytes);
}

TEST_CASE("dates carry offset and zone name", "[mail][date]") {
  const auto in_zone = [](const char* zone, std::time_t when) {
    setenv("TZ", zone, 1);
    tzset();
    return header_date(when);
  };
  CHECK(in_zone("UTC", 1795370400) == "Sun, 22 Nov 2026 18:00:00 +0000 (UTC)");
  CHECK(in_zone("XST-5:30", 0) == "Thu, 1 Jan 1970 05:30:00 +0530 (XST)");
  CHECK(in_zone("NST3:30", 0) == "Wed, 31 Dec 1969 20:30:00 -0330 (NST)");
  setenv("TZ", "UTC", 1);
  tzset();
  CHECK(ctime_date(0) == "Thu Jan  1 00:00:00 1970");
}

TEST_CASE("a delivery status filter keeps success and failure apart",
          "[mail]") {
  struct Case {
    std::string status, answer, now, text, complaint;
  };
  const std::vector<Case> cases = {
      {"2.0.0", "2.7.7 fine", "2.7.7", "fine", ""},
      {"4.1.1", "5.1.1 hard", "5.1.1", "hard", ""},
      {"5.1.1", "4.0.0  soft ", "4.0.0", "soft", ""},
      {"5.1.1", "5.7.1", "5.7.1", "was", ""},
      {"5.1.1", "foo bar", "5.1.1", "was", "bad status code: foo bar"},
      {"5.1.1", "", "5.1.1", "was", "bad status code: "},
      {"2.0.0", "5.0.0 x", "2.0.0", "was",
       "bad status code change: 5.0.0 x -- a success cannot become a failure, "
       "nor a failure a success"},
      {"4.0.0", "2.0.0 x", "4.0.0", "was",
       "bad status code change: 2.0.0 x -- a success cannot become a failure, "
       "nor a failure a success"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.status, c.answer);
    const FilteredStatus got = filter_status({c.status, "was"}, c.answer);
    CHECK(got.now.status == c.now);
    CHECK(got.now.text == c.text);
    CHECK(got.complaint == c.complaint);
  }
}
