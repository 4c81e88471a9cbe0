#include "cleanup/notices.h"

#include <fcntl.h>

#include "tests/unit/cleanup/fixture.h"

using namespace postern;
using namespace postern::cleanup;
using namespace postern::cleanup::test;

namespace {

NoticeRules rules(const std::string& classes) {
  return read_notice_rules(
      configure("notify_classes = " + classes +
                "\nbounce_notice_recipient = b\n2bounce_notice_recipient = 2b\n"
                "delay_notice_recipient = d\nbounce_size_limit = 1000\n"));
}

// "from>to recipients full|headers [copy] what; …"
std::string shown(const NoticeDecision& decision) {
  std::string out = decision.discarded ? "discarded" : "";
  for (const DueNotice& due : decision.due) {
    if (!out.empty()) out += "; ";
    out += due.from + ">" + due.to + " ";
    for (const std::size_t i : due.recipients) out += std::to_string(i);
    out += due.full_message ? " full" : " headers";
    if (due.postmaster_copy) out += " copy";
  }
  return out;
}

Task<void> tell(Notices* notices, ipc::NoticeRequest request,
                ipc::NoticeDone* done) {
  *done = co_await notices->tell(std::move(request));
}

// A request about a message that was taken in before.
ipc::NoticeRequest request_for(Fixture& fixture, const Mail& mail,
                               const std::string& kind) {
  queue::Stored stored = fixture.stored(mail.verdict.queue_id);
  ipc::NoticeRequest request;
  request.kind = kind;
  request.queue_id = stored.id;
  request.layout = queue::encode_layout(stored.layout);
  request.envelope = queue::encode_envelope(stored.envelope);
  request.message = std::move(stored.fd);
  ipc::NoticeRecipient recipient;
  recipient.address = "rcpt@example.com";
  recipient.orcpt = "rfc822;rcpt@example.com";
  recipient.action = kind == "delay" ? "delayed" : "failed";
  recipient.status = "5.1.1";
  recipient.text = "unknown user";
  request.recipients.push_back(recipient);
  return request;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("who is told follows from sender, NOTIFY and notify_classes",
          "[cleanup][notice]") {
  using mail::NoticeKind;
  constexpr std::int64_t never = ipc::notify_never;
  constexpr std::int64_t success = ipc::notify_success;
  constexpr std::int64_t failure = ipc::notify_failure;
  constexpr std::int64_t delay = ipc::notify_delay;
  const std::string us = "double-bounce@mail.test";
  struct Case {
    const char* classes;
    NoticeSubject subject;
    std::string expected;
  };
  const std::vector<Case> cases = {
      {"", {NoticeKind::failure, "a@b", "", 10, {0}}, ">a@b 0 full"},
      {"", {NoticeKind::failure, "a@b", "FULL", 10, {0}}, ">a@b 0 full"},
      {"", {NoticeKind::failure, "a@b", "HDRS", 10, {0}}, ">a@b 0 headers"},
      {"", {NoticeKind::failure, "a@b", "FULL", 1001, {0}}, ">a@b 0 headers"},
      {"",
       {NoticeKind::failure, "a@b", "", 10, {never, failure, success, 0}},
       ">a@b 13 full"},
      {"", {NoticeKind::failure, "a@b", "", 10, {never}}, ""},
      {"2bounce", {NoticeKind::failure, "a@b", "", 10, {0}}, ">a@b 0 full"},
      {"bounce",
       {NoticeKind::failure, "a@b", "", 10, {0, never}},
       ">a@b 0 full; " + us + ">b 01 headers copy"},
      {"bounce",
       {NoticeKind::failure, "a@b", "", 10, {never}},
       us + ">b 0 headers copy"},
      {"", {NoticeKind::failure, "", "", 10, {0}}, ""},
      {"delay, resource", {NoticeKind::failure, "", "", 10, {0}}, ""},
      {"2bounce",
       {NoticeKind::failure, "", "", 10, {0, never}},
       us + ">2b 01 full copy"},
      {"bounce", {NoticeKind::failure, "", "", 10, {0}}, us + ">2b 0 full copy"},
      {"2bounce",
       {NoticeKind::failure, "", "", 1001, {0}},
       us + ">2b 0 headers copy"},
      {"2bounce", {NoticeKind::failure, us, "", 10, {0}}, "discarded"},
      {"bounce, 2bounce, delay",
       {NoticeKind::delay, "DOUBLE-bounce@MAIL.test", "", 10, {0}},
       ""},
      {"", {NoticeKind::delay, "a@b", "FULL", 10, {0, never, delay, failure}},
       ">a@b 02 headers"},
      {"", {NoticeKind::delay, "", "", 10, {0}}, ""},
      {"delay", {NoticeKind::delay, "", "", 10, {0}}, us + ">d 0 headers copy"},
      {"delay",
       {NoticeKind::delay, "a@b", "", 10, {0}},
       ">a@b 0 headers; " + us + ">d 0 headers copy"},
      {"bounce",
       {NoticeKind::success, "a@b", "FULL", 10, {0, success, failure, never}},
       ">a@b 012 headers"},
      {"bounce", {NoticeKind::success, "", "", 10, {success}}, ""},
      {"", {NoticeKind::verify, "a@b", "", 10, {0, never}}, ">a@b 01 headers"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.classes, each.expected);
    CHECK(shown(decide_notices(rules(each.classes), each.subject)) ==
          each.expected);
  }
}

TEST_CASE("a failure notice is a message of its own to the sender",
          "[cleanup][notice]") {
  Fixture fixture;
  Mail mail("Message-Id: <x@y>\nSubject: two\n\nthe text\n");
  pass(fixture, mail);
  const log::Log bounce("bounce");
  Notices notices(fixture.means(), fixture.config, bounce);
  ipc::NoticeDone done;
  fixture.run(tell(&notices, request_for(fixture, mail, "failure"), &done));
  REQUIRE_FALSE(done.trouble.present);
  const queue::Stored stored = fixture.stored(done.queue_id);
  CHECK(stored.envelope.sender == "");
  REQUIRE(stored.envelope.recipients.size() == 1);
  CHECK(stored.envelope.recipients[0].address == "sender@example.org");
  CHECK((stored.envelope.flags & ipc::internal_notice) != 0);
  const std::string text = fixture.content(done.queue_id);
  CHECK(contains(text, "Received: by mail.test (Postfix)\n\tid " +
                           done.queue_id + "; "));
  CHECK(contains(text,
                 "From: Mail Delivery System <MAILER-DAEMON@mail.test>\n"));
  CHECK(contains(text, "To: sender@example.org\n"));
  CHECK(contains(text, "Message-Id: <"));
  // Of the message that it is about.
  CHECK(contains(text, "\tboundary=\"" + mail.verdict.queue_id + "."));
  CHECK(contains(text, "<rcpt@example.com>: unknown user\n"));
  CHECK(contains(text, "Final-Recipient: rfc822; rcpt@example.com\n"));
  CHECK(contains(text, "\nSubject: two\n"));
  CHECK(contains(text, "\nthe text\n"));
  CHECK(fixture.has_logged("bounce: " + mail.verdict.queue_id +
                           ": sender non-delivery notification: " +
                           done.queue_id));
}

TEST_CASE("headers alone go back when the sender wants no more",
          "[cleanup][notice]") {
  Fixture fixture("enable_threaded_bounces = yes\n");
  Mail mail("Message-Id: <x@y>\nReferences: <a@b>\n\nthe text\n");
  mail.begin.ret = "HDRS";
  mail.begin.envid = "ENV 1";
  pass(fixture, mail);
  Notices notices(fixture.means(), fixture.config, log::Log("bounce"));
  ipc::NoticeDone done;
  fixture.run(tell(&notices, request_for(fixture, mail, "failure"), &done));
  const std::string text = fixture.content(done.queue_id);
  CHECK(contains(text, "Content-Type: text/rfc822-headers\n"));
  CHECK(contains(text, "Original-Envelope-Id: ENV 1\n"));
  CHECK(contains(text, "References: <a@b> <x@y>\nIn-Reply-To: <x@y>\n"));
  CHECK_FALSE(contains(text, "the text"));
}

TEST_CASE("the sender of an alias hears of its expansion",
          "[cleanup][notice]") {
  Fixture fixture("virtual_alias_maps = v\n");
  fixture.book.tables["v"] = {{"list@v.test", "a@x, b@x"},
                              {"one@v.test", "c@x"}};
  std::optional<ipc::NoticeRequest> report;
  Mail mail("Message-Id: <x@y>\n\nthe text\n");
  mail.recipients.clear();
  mail.to("list@v.test", ipc::notify_success | ipc::notify_failure)
      .to("one@v.test", ipc::notify_success);
  const Means means = fixture.means();
  fixture.run(submit(&means, &mail, &report));
  const queue::Stored stored = fixture.stored(mail.verdict.queue_id);
  REQUIRE(stored.envelope.recipients.size() == 3);
  CHECK(stored.envelope.recipients[0].notify == ipc::notify_failure);
  CHECK(stored.envelope.recipients[2].notify == ipc::notify_success);
  REQUIRE(report);
  Notices notices(means, fixture.config, log::Log("bounce"));
  ipc::NoticeDone done;
  fixture.run(tell(&notices, std::move(*report), &done));
  const std::string text = fixture.content(done.queue_id);
  CHECK(contains(text, "Final-Recipient: rfc822; list@v.test\n"));
  CHECK(contains(text, "Action: expanded\n"));
  CHECK_FALSE(contains(text, "one@v.test"));
  CHECK(fixture.has_logged(": sender delivery status notification: "));
}

TEST_CASE("a delay notice says until when", "[cleanup][notice]") {
  Fixture fixture("maximal_queue_lifetime = 1d\ndelay_warning_time = 4h\n");
  Mail mail("Message-Id: <x@y>\n\nthe text\n");
  pass(fixture, mail);
  Notices notices(fixture.means(), fixture.config, log::Log("bounce"));
  ipc::NoticeDone done;
  fixture.run(tell(&notices, request_for(fixture, mail, "delay"), &done));
  const std::string text = fixture.content(done.queue_id);
  CHECK(contains(text,
                 "Will-Retry-Until: Wed, 15 Nov 2023 22:13:20 +0000 (UTC)\n"));
  CHECK(contains(text, "for more than 4 hour(s)"));
  CHECK(fixture.has_logged(": sender delay notification: " + done.queue_id));
}

TEST_CASE("a bounce that bounces goes to the postmaster, further ones nowhere",
          "[cleanup][notice]") {
  Fixture fixture("notify_classes = 2bounce\n");
  Notices notices(fixture.means(), fixture.config, log::Log("bounce"));
  Mail mail("Message-Id: <x@y>\n\n");
  mail.begin.sender = "";
  pass(fixture, mail);
  ipc::NoticeDone done;
  fixture.run(tell(&notices, request_for(fixture, mail, "failure"), &done));
  const queue::Stored stored = fixture.stored(done.queue_id);
  CHECK(stored.envelope.sender == "double-bounce@mail.test");
  CHECK(stored.envelope.recipients.at(0).address == "postmaster@mail.test");
  CHECK(contains(fixture.content(done.queue_id),
                 "Subject: Postmaster Copy: Undelivered Mail\n"));
  CHECK(fixture.has_logged(": postmaster non-delivery notification: "));

  Mail again("Message-Id: <x@y>\n\n");
  again.begin.sender = stored.envelope.sender;
  pass(fixture, again);
  fixture.run(tell(&notices, request_for(fixture, again, "failure"), &done));
  CHECK(done.queue_id == "");
  CHECK_FALSE(done.trouble.present);
  CHECK(fixture.has_logged("bounce: warning: " + again.verdict.queue_id +
                           ": undeliverable postmaster notification discarded"));
}

TEST_CASE("templates replace the texts, broken ones do not",
          "[cleanup][notice]") {
  Fixture fixture;
  const std::string file = fixture.directory + "/bounce.cf";
  const auto text_with = [&](const std::string& content) {
    REQUIRE(os::replace_file(file, content).ok());
    const config::Config config =
        fixture.config.with_overrides({{"bounce_template_file", file}});
    Notices notices(fixture.means(), config, log::Log("bounce"));
    Mail mail("Message-Id: <x@y>\n\n");
    pass(fixture, mail);
    ipc::NoticeDone done;
    fixture.run(tell(&notices, request_for(fixture, mail, "failure"), &done));
    return fixture.content(done.queue_id);
  };
  CHECK(contains(text_with("failure_template = <<EOF\nCharset: us-ascii\n"
                           "From: Us <MAILER-DAEMON>\nSubject: Sorry\n"
                           "Postmaster-Subject: x\n\nSorry from "
                           "$myhostname.\nEOF\n"),
                 "\nSorry from mail.test.\n"));
  CHECK(contains(text_with("failure_template = <<EOF\nnonsense\n"),
                 "This is the mail system at host mail.test."));
  CHECK(fixture.has_logged("warning: "));
}

TEST_CASE("a request that cannot be read is trouble, not silence",
          "[cleanup][notice]") {
  Fixture fixture;
  Notices notices(fixture.means(), fixture.config, log::Log("bounce"));
  ipc::NoticeRequest request;
  request.kind = "failure";
  request.layout = "?";
  ipc::NoticeDone done;
  fixture.run(tell(&notices, std::move(request), &done));
  CHECK(done.trouble.present);
}
