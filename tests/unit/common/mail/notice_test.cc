// Notices (dsn_notice.h) and their templates (bounce_template.h).
#include "common/mail/dsn_notice.h"

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace postern::mail;

namespace {

TemplateParameters parameters() {
  TemplateParameters p;
  p.value = [](std::string_view name) -> std::optional<std::string> {
    if (name == "myhostname") return "mail.example.com";
    if (name == "mydomain") return "example.com";
    if (name == "empty") return "";
    if (name == "maximal_queue_lifetime") return "90m";
    return std::nullopt;
  };
  p.delay_warning_time = 4 * 3600;
  p.maximal_queue_lifetime = 5 * 86400;
  return p;
}

std::string expanded(std::string text, TemplateParameters p = parameters()) {
  BounceTemplate one;
  one.text = std::move(text);
  const auto result = expand_template(NoticeKind::failure, one, p, nullptr);
  return result ? result.value() : "TROUBLE " + result.trouble().text;
}

LineReader reader(std::vector<std::string> lines) {
  return [lines = std::move(lines),
          at = std::size_t{0}]() mutable -> std::optional<std::string> {
    if (at == lines.size()) return std::nullopt;
    return lines[at++];
  };
}

std::string composed(const Notice& notice) {
  const BounceTemplates templates = built_in_templates();
  const BounceTemplate& one = templates.of(notice.kind);
  const auto text =
      expand_template(notice.kind, one, parameters(), nullptr).value();
  std::string result;
  compose_notice(
      notice, one, text,
      reader({"Subject: x", "From: alice@example.com", "", "text"}),
      [&](std::string_view line) { result.append(line).append("\n"); });
  return result;
}

Notice bounce() {
  setenv("TZ", "UTC", 1);
  Notice notice;
  notice.recipient = "alice@example.com";
  notice.message_id = "<1.Q2@mail.example.com>";
  notice.hostname = "mail.example.com";
  notice.origin = "mail.example.com";
  notice.boundary = notice_boundary("Q1", 7, "mail.example.com");
  notice.queue_id = "Q1";
  notice.sender = "alice@example.com";
  notice.envelope_id = "EN+1";
  NoticeRecipient remote;
  remote.address = "x@elsewhere.test";
  remote.action = "failed";
  remote.status = "5.1.1";
  remote.reason =
      "host 127.0.0.1[127.0.0.1] said: 550 5.1.1 no such user here, this is a "
      "rather long text that needs folding because it is longer than seventy "
      "nine (in reply to RCPT TO command)";
  remote.diagnostic_type = "smtp";
  remote.diagnostic =
      "550 5.1.1 no such user here, this is a rather long text that needs "
      "folding because it is longer than seventy nine";
  remote.remote_mta = "127.0.0.1";
  notice.recipients = {remote};
  return notice;
}

}  // namespace

TEST_CASE("a bounce has the three parts of RFC 3464", "[mail][notice]") {
  CHECK(composed(bounce()) == R"(Date: Thu, 1 Jan 1970 00:00:00 +0000 (UTC)
From: Mail Delivery System <MAILER-DAEMON@mail.example.com>
Subject: Undelivered Mail Returned to Sender
To: alice@example.com
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="Q1.7/mail.example.com"
Content-Transfer-Encoding: 8bit
Message-Id: <1.Q2@mail.example.com>

This is a MIME-encapsulated message.

--Q1.7/mail.example.com
Content-Description: Notification
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

This is the mail system at host mail.example.com.

Your message did not reach one or more of its recipients, and no
more attempts will be made. The reasons follow, then what you sent.

For further assistance, please send mail to postmaster.

If you do so, please include this problem report. You can
delete your own text from the attached returned message.

                   The mail system

<x@elsewhere.test>: host 127.0.0.1[127.0.0.1] said: 550 5.1.1 no such user
    here, this is a rather long text that needs folding because it is longer
    than seventy nine (in reply to RCPT TO command)

--Q1.7/mail.example.com
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com
Original-Envelope-Id: EN+1
X-Postfix-Queue-ID: Q1
X-Postfix-Sender: rfc822; alice@example.com
Arrival-Date: Thu, 1 Jan 1970 00:00:00 +0000 (UTC)

Final-Recipient: rfc822; x@elsewhere.test
Original-Recipient: rfc822;x@elsewhere.test
Action: failed
Status: 5.1.1
Remote-MTA: dns; 127.0.0.1
Diagnostic-Code: smtp; 550 5.1.1 no such user here, this is a rather long text
    that needs folding because it is longer than seventy nine

--Q1.7/mail.example.com
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: 8bit

Return-Path: <alice@example.com>
Subject: x
From: alice@example.com

--Q1.7/mail.example.com--
)");
}

TEST_CASE("postmaster copies have no text and another subject",
          "[mail][notice]") {
  Notice notice = bounce();
  notice.postmaster_copy = true;
  notice.sender = "";
  const std::string text = composed(notice);
  CHECK_THAT(text,
             Catch::Contains("Subject: Postmaster Copy: Undelivered Mail\n"));
  CHECK_THAT(text, Catch::Contains("Auto-Submitted: auto-generated\n"));
  CHECK_THAT(text, Catch::Contains("8bit\n\n\n<x@elsewhere.test>: host"));
  CHECK_THAT(text, Catch::Contains(
                       "Sender: rfc822; MAILER-DAEMON@mail.example.com\n"));
  CHECK_THAT(text, !Catch::Contains("This is the mail system"));
}

TEST_CASE("delays say how long is tried", "[mail][notice]") {
  Notice notice = bounce();
  notice.kind = NoticeKind::delay;
  notice.recipients[0].action = "delayed";
  notice.recipients[0].retry_until = 86400;
  const std::string text = composed(notice);
  CHECK_THAT(text, Catch::Contains("more than 4 hour(s).\n"
                                   "It will be retried until it is 5 day(s)"));
  CHECK_THAT(text, Catch::Contains(
                       "Will-Retry-Until: Fri, 2 Jan 1970 00:00:00 +0000"));
  CHECK_THAT(text,
             Catch::Contains("Subject: Delayed Mail (still being retried)"));
}

TEST_CASE("reports of success attach plain headers", "[mail][notice]") {
  Notice notice = bounce();
  notice.kind = NoticeKind::success;
  CHECK_THAT(composed(notice),
             Catch::Contains("Content-Description: Message Headers\n"));
  CHECK_THAT(composed(notice),
             Catch::Contains("Subject: Successful Mail Delivery Report\n"));
}

TEST_CASE("UTF-8 addresses make a global report", "[mail][notice]") {
  Notice notice = bounce();
  notice.smtputf8 = true;
  notice.full_message = true;
  notice.recipients[0].address = "j\xc3\xbcrgen@nosuch.test";
  notice.recipients[0].original = "list@nosuch.test";
  notice.recipients[0].diagnostic_type = "";
  notice.recipients[0].reason = "two\nlines";
  const std::string text = composed(notice);
  CHECK_THAT(text, Catch::Contains("message/global-delivery-status\n"));
  CHECK_THAT(text, Catch::Contains("Content-Type: message/global\n"));
  CHECK_THAT(
      text, Catch::Contains("Final-Recipient: utf-8; j\xc3\xbcrgen@nosuch.test"
                            "\nOriginal-Recipient: rfc822;list@nosuch.test\n"));
  CHECK_THAT(text, Catch::Contains("<j\xc3\xbcrgen@nosuch.test> (expanded from "
                                   "<list@nosuch.test>): two lines\n"));
  CHECK_THAT(text, Catch::Contains("Diagnostic-Code: X-Postfix; two lines\n"));
  CHECK_THAT(text, Catch::Contains("\n\ntext\n\n--"));
}

TEST_CASE("long texts are broken at blanks", "[mail][notice]") {
  CHECK(wrap_text("aa bb cc", 5, 1) ==
        std::vector<std::string>{"aa bb", " cc"});
  CHECK(wrap_text("aaaaaaaa bb", 5, 1) ==
        std::vector<std::string>{"aaaaaaaa", " bb"});
  CHECK(wrap_text("", 5, 1) == std::vector<std::string>{""});
  CHECK(wrap_text(std::string(200, 'x')).size() == 1);
}

TEST_CASE("template texts are expanded", "[mail][template]") {
  const std::pair<const char*, const char*> cases[] = {
      {"$myhostname ${mydomain}$(mydomain)",
       "mail.example.com example.comexample.com"},
      {"$$x", "$x"},
      {"${empty?no}${empty:yes}${mydomain?<$mydomain>}", "yes<example.com>"},
      {"${nosuch:none}${nosuch?x}", "none"},
      {"$delay_warning_time_minutes/${maximal_queue_lifetime_days}", "240/5"},
      {"$maximal_queue_lifetime", "90m"},
  };
  for (const auto& [text, result] : cases) {
    CAPTURE(text);
    CHECK(expanded(text) == result);
  }
  for (const char* bad : {"$", "${x", "${}", "$nosuch", "${mydomain!x}", "$-",
                          "$delay_warning_time_eons"}) {
    CAPTURE(bad);
    CHECK_THAT(expanded(bad), Catch::StartsWith("TROUBLE [built-in]: "));
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "${mydomain?";
  CHECK_THAT(expanded(deep + std::string(100, '}')),
             Catch::StartsWith("TROUBLE"));
}

TEST_CASE("time units are cut off, and bad ones warned of",
          "[mail][template]") {
  BounceTemplate one;
  one.text =
      "$maximal_queue_lifetime_hours $maximal_queue_lifetime_days "
      "$maximal_queue_lifetime_seconds";
  TemplateParameters p = parameters();
  p.maximal_queue_lifetime = 5400;
  std::vector<std::string> warnings;
  CHECK(expand_template(NoticeKind::delay, one, p, &warnings).value() ==
        "1 0 5400");
  CHECK(warnings.size() == 2);
}

TEST_CASE("template files replace what is built in", "[mail][template]") {
  const TemplateFile file = parse_bounce_templates(
      "# comment\n\n"
      "failure_template = <<EOF\n"
      "charset: iso-8859-1\nFrom: Postal Service <MAILER-DAEMON>\n"
      "Subject: Could not\nPostmaster-Subject: Copy\n\n"
      "# kept caf\xe9\n\n  indented\nEOF\n"
      "verify_template=<<X\nno header\nX\n",
      "bounce.cf");
  CHECK(file.warnings.empty());
  const BounceTemplate& failure = file.templates.of(NoticeKind::failure);
  CHECK(failure.charset == "iso-8859-1");
  CHECK(failure.from == "Postal Service <MAILER-DAEMON>");
  CHECK(failure.subject == "Could not");
  CHECK(failure.postmaster_subject == "Copy");
  CHECK(failure.text == "# kept caf\xe9\n\n  indented\n");
  CHECK(failure.source == "bounce.cf");
  CHECK(file.templates.of(NoticeKind::verify).text == "no header\n");
  CHECK(file.templates.of(NoticeKind::delay).source == "[built-in]");
}

TEST_CASE("unusable templates stay built in, with a warning",
          "[mail][template]") {
  const std::pair<const char*, const char*> cases[] = {
      {"foo_template = <<E\nx\nE\n",
       "f, line 1: unknown template name: foo_template"},
      {"failure_template = <<E\nx\n", "f, line 2: missing \"E\" end marker"},
      {"failure_template = x\n", "f, line 1: instead of"},
      {"failure_template\n", "f, line 1: instead of"},
      {"failure_template = <<E\nFoo: x\n\ny\nE\n",
       "f: unknown \"Foo\" header label in failure template"},
      {"failure_template = <<E\nSubject: x\n\nE\n",
       "f: missing message text in failure template"},
      {"failure_template = <<E\nSubject: \xc3\n\nx\nE\n",
       "f: non-ASCII \"Subject\" header value in failure template"},
      {"failure_template = <<E\n\nx\xc3\xb6\nE\n",
       "f: 8-bit message text in failure template"},
  };
  for (const auto& [text, warning] : cases) {
    CAPTURE(text);
    const TemplateFile file = parse_bounce_templates(text, "f");
    REQUIRE(file.warnings.size() == 1);
    CHECK_THAT(file.warnings[0], Catch::StartsWith(warning));
    CHECK(file.templates.of(NoticeKind::failure).source == "[built-in]");
  }
}

TEST_CASE("printed templates can be read again", "[mail][template]") {
  const std::string printed = print_templates(built_in_templates());
  const TemplateFile file = parse_bounce_templates(printed, "f");
  CHECK(file.warnings.empty());
  CHECK(print_templates(file.templates) == printed);
  const auto text =
      print_expanded(built_in_templates(), parameters(), nullptr).value();
  CHECK_THAT(text, Catch::StartsWith("expanded_failure_text = <<EOF\nThis is"));
  CHECK_THAT(text, Catch::Contains("EOF\n\nexpanded_delay_text = <<EOF\n"));
}
