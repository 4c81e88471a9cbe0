#include "cleanup/submission.h"

#include "tests/unit/cleanup/fixture.h"

using namespace postern;
using namespace postern::cleanup;
using namespace postern::cleanup::test;

namespace {

// A message's content after it was taken in, with its id made equal.
std::string taken(Fixture& fixture, Mail& mail) {
  pass(fixture, mail);
  REQUIRE_FALSE(mail.verdict.trouble.present);
  std::string text = fixture.content(mail.verdict.queue_id);
  for (std::size_t at; (at = text.find(mail.verdict.queue_id)) !=
                       std::string::npos;)
    text.replace(at, mail.verdict.queue_id.size(), "QID");
  return text;
}

const std::string complete_headers =
    "Message-Id: <x@y>\nDate: today\nFrom: a@b\nTo: c@d\n";
const std::string added =
    "Message-Id: <20231114221320.QID@mail.test>\n"
    "Date: Tue, 14 Nov 2023 22:13:20 +0000 (UTC)\n"
    "From: sender@example.org\n";

std::vector<std::string> addresses(const queue::Stored& message) {
  std::vector<std::string> out;
  for (const queue::Recipient& r : message.envelope.recipients)
    out.push_back(r.address);
  return out;
}

}  // namespace

TEST_CASE("headers are completed, dropped and rewritten", "[cleanup]") {
  struct Case {
    const char* about;
    const char* context;
    std::string in, out;
    std::string settings;
  };
  const std::vector<Case> cases = {
      {"complete", "local", complete_headers + "\nbody\n",
       complete_headers + "\nbody\n", ""},
      {"empty", "local", "", added, ""},
      {"no header", "local", "no header\nSubject: x\n",
       added + "\nno header\nSubject: x\n", ""},
      {"body only", "local", "\nbody\n", added + "\nbody\n", ""},
      {"strangers keep their headers", "remote", "To: c\n\nbody\n",
       "To: c\n\nbody\n", ""},
      {"strangers with a domain", "remote", "To: c\nFrom: x\n\nbody\n",
       "To: c@remote.invalid\nFrom: x@remote.invalid\n"
       "Message-Id: <20231114221320.QID@mail.test>\n"
       "Date: Tue, 14 Nov 2023 22:13:20 +0000 (UTC)\n\nbody\n",
       "remote_header_rewrite_domain = remote.invalid"},
      {"always", "remote", "Subject: x\n\n",
       "Subject: x\n" + added + "\n", "always_add_missing_headers = yes"},
      {"completed addresses", "local",
       "From: alice\nTo: \"q u\" <carol>, dave\nMessage-Id: <x>\nDate: d\n\n",
       "From: alice@mail.test\nTo: \"q u\" <carol@mail.test>, "
       "dave@mail.test\nMessage-Id: <x>\nDate: d\n\n",
       ""},
      {"untouched layout", "local",
       "To: a@b,\n c@d (x)\nFrom:  a@b\nMessage-Id: <x>\nDate: d\n\n",
       "To: a@b,\n c@d (x)\nFrom:  a@b\nMessage-Id: <x>\nDate: d\n\n", ""},
      {"dropped", "local",
       complete_headers + "Bcc: hidden,\n more\nContent-Length: 5\n"
                          "Return-Path: <x>\nResent-Bcc: y\n\n",
       complete_headers + "Resent-Message-Id: "
                          "<20231114221320.QID@mail.test>\n"
                          "Resent-Date: Tue, 14 Nov 2023 22:13:20 +0000 "
                          "(UTC)\nResent-From: sender@example.org\n\n",
       ""},
      {"dropped by choice", "local", complete_headers + "X-Secret: y\n\n",
       complete_headers + "\n", "message_drop_headers = x-secret"},
      {"resent", "local",
       complete_headers + "Resent-From: a@b\nResent-To: b@c\n\n",
       complete_headers + "Resent-From: a@b\nResent-To: b@c\n"
                          "Resent-Message-Id: "
                          "<20231114221320.QID@mail.test>\n"
                          "Resent-Date: Tue, 14 Nov 2023 22:13:20 +0000 "
                          "(UTC)\n\n",
       ""},
      {"undisclosed", "local", "Message-Id: <x>\nDate: d\nFrom: a@b\n\nb\n",
       "Message-Id: <x>\nDate: d\nFrom: a@b\nTo: nobody:;\n\nb\n",
       "undisclosed_recipients_header = To: nobody:;"},
      {"control characters, but no stray CR", "local",
       complete_headers + std::string("Subject: a\x07\0b\n\nx\0\ry\n", 20),
       complete_headers + std::string("Subject: a\x07\0b\n\nx\0 y\n", 20), ""},
      {"stray carriage returns", "local",
       complete_headers + "A: b\r\n\nx\ry\n",
       complete_headers + "A: b\r\n\nx\ry\n",
       "cleanup_replace_stray_cr_lf = no"},
      {"no line end", "local", complete_headers + "\nbody",
       complete_headers + "\nbody\n", ""},
      {"ends within a header", "local", complete_headers + "Subject: x",
       complete_headers + "Subject: x\n", ""},
      {"cut header", "local",
       complete_headers + "Subject: 0123456789012345678901234567890123456789"
                          "0123456789\n\nbody\n",
       complete_headers + "Subject: 0123456789012345678901234567890\n\nbody\n",
       "header_size_limit = 40"},
      {"a long line that is no header", "local",
       complete_headers + std::string(100, 'x') + "\nmore\n",
       complete_headers + "\n" + std::string(100, 'x') + "\nmore\n",
       "header_size_limit = 40"},
  };
  for (const Case& each : cases) {
    for (const std::size_t cut : {1u << 20, 7u, 1u}) {
      CAPTURE(each.about, cut);
      Fixture fixture(each.settings + "\n");
      Mail mail(each.in);
      mail.begin.context = each.context;
      mail.cut = cut;
      CHECK(taken(fixture, mail) == each.out);
    }
  }
}

TEST_CASE("the submitter's name stands in From as configured", "[cleanup]") {
  Fixture fixture("header_from_format = obsolete\n");
  Mail mail("Subject: x\nTo: a@b\n\n");
  mail.begin.attributes = {{"full_name", "Alice X"}, {"client_name", "c"}};
  CHECK(taken(fixture, mail).find("From: sender@example.org (Alice X)\n") !=
        std::string::npos);
  // It is no business of the queue.
  const queue::Stored stored = fixture.stored(mail.verdict.queue_id);
  CHECK(stored.envelope.attribute("full_name") == "");
  CHECK(stored.envelope.attribute("client_name") == "c");
}

TEST_CASE("the message id is logged, given or made", "[cleanup]") {
  struct Case {
    const char* in;
    const char* context;
    const char* logged;
  };
  for (const Case& each : std::vector<Case>{
           {"Message-Id: <x@y>\n\n", "local", ": message-id=<x@y>"},
           {"\n", "remote", ": message-id=<>"},
           {"Message-Id:\n <x@y>\n\n", "remote", ": message-id=<x@y>"},
           {"Resent-To: a\nResent-Message-Id: <r>\n\n", "remote",
            ": resent-message-id=<r>"},
           {"\n", "local", ": message-id=<20231114221320."}}) {
    CAPTURE(each.in);
    Fixture fixture;
    Mail mail(each.in);
    mail.begin.context = each.context;
    pass(fixture, mail);
    CHECK(fixture.has_logged(mail.verdict.queue_id + each.logged));
  }
}

TEST_CASE("a long queue id needs no time beside it in the message id",
          "[cleanup]") {
  Fixture fixture("enable_long_queue_ids = yes\n");
  Mail mail("\n");
  mail.begin.context = "local";
  pass(fixture, mail);
  CHECK(fixture.content(mail.verdict.queue_id)
            .find("Message-Id: <" + mail.verdict.queue_id + "@mail.test>\n") !=
        std::string::npos);
}

TEST_CASE("messages that are too much are refused for good", "[cleanup]") {
  struct Case {
    const char* settings;
    std::string content;
    const char* status;
    const char* text;
    const char* logged;
  };
  for (const Case& each : std::vector<Case>{
           {"hopcount_limit = 3", "Received: a\nReceived: b\nReceived: c\n\n",
            "5.4.0", "Error: too many hops",
            "message rejected: hopcount exceeded"},
           {"message_size_limit = 500",
            complete_headers + "\n" + std::string(600, 'x') + "\n", "5.3.4",
            "Error: message file too big", "queue file size limit exceeded"},
       }) {
    CAPTURE(each.settings);
    Fixture fixture(std::string(each.settings) + "\n");
    Mail mail(each.content);
    mail.cut = 100;
    pass(fixture, mail);
    REQUIRE(mail.verdict.trouble.present);
    CHECK(mail.verdict.trouble.trouble().status() == each.status);
    CHECK(mail.verdict.trouble.text == each.text);
    CHECK(fixture.has_logged(mail.verdict.queue_id + ": " + each.logged));
    CHECK(fixture.names(queue::Box::incoming).empty());
  }
}

TEST_CASE("recipients are completed and told apart", "[cleanup]") {
  Fixture fixture;
  Mail mail(complete_headers);
  mail.recipients.clear();
  mail.to("bob").to("bob").to("BOB").to("bob@mail.test").to("");
  pass(fixture, mail);
  const queue::Stored stored = fixture.stored(mail.verdict.queue_id);
  REQUIRE(addresses(stored) ==
          std::vector<std::string>{"bob@mail.test", "bob@mail.test",
                                   "MAILER-DAEMON@mail.test"});
  CHECK(stored.envelope.recipients[0].original == "bob");
  CHECK(stored.envelope.recipients[0].orcpt == "rfc822;bob@mail.test");
  CHECK(stored.envelope.recipients[1].original == "");
  CHECK(stored.envelope.sender == "sender@example.org");
}

TEST_CASE("an original recipient is written as addresses are", "[cleanup]") {
  Fixture fixture;
  Mail mail(complete_headers);
  mail.recipients.clear();
  mail.to("b c@mail.test");
  pass(fixture, mail);
  const queue::Stored stored = fixture.stored(mail.verdict.queue_id);
  REQUIRE(stored.envelope.recipients.size() == 1);
  CHECK(stored.envelope.recipients[0].orcpt == "rfc822;\"b c\"@mail.test");
}

TEST_CASE("without originals a mailbox stands once", "[cleanup]") {
  Fixture fixture("enable_original_recipient = no\n");
  Mail mail(complete_headers);
  mail.recipients.clear();
  mail.to("bob").to("BOB@mail.test");
  pass(fixture, mail);
  const queue::Stored stored = fixture.stored(mail.verdict.queue_id);
  CHECK(addresses(stored) == std::vector<std::string>{"bob@mail.test"});
  CHECK(stored.envelope.recipients[0].original == "");
}

TEST_CASE("the duplicate filter remembers so many and no more", "[cleanup]") {
  DuplicateFilter filter(2);
  CHECK(filter.first("a"));
  CHECK(filter.first("b"));
  CHECK(filter.first("c"));
  CHECK(filter.first("c"));
  CHECK_FALSE(filter.first("A"));
  DuplicateFilter endless(0);
  for (int i = 0; i < 5000; ++i) CHECK(endless.first(std::to_string(i)));
  CHECK_FALSE(endless.first("4999"));
}

TEST_CASE("addresses are mapped where the classes say", "[cleanup]") {
  Fixture fixture(
      "canonical_maps = c\nsender_canonical_maps = s\n"
      "canonical_classes = envelope_sender, header_recipient\n"
      "masquerade_domains = !keep.example.net example.net\n"
      "masquerade_exceptions = root\n");
  fixture.book.tables["s"] = {{"sender@example.org", "s2@example.org"}};
  fixture.book.tables["c"] = {{"s2@example.org", "s3@h.example.net"},
                              {"alice@mail.test", "bob@example.com"}};
  Mail mail("From: sender@example.org\nTo: alice, x@y.keep.example.net\n"
            "Cc: root@h.example.net, u@h.example.net\nDate: d\n"
            "Message-Id: <x>\n\n");
  mail.recipients.clear();
  mail.to("alice");
  CHECK(taken(fixture, mail) ==
        "From: s2@example.org\nTo: bob@example.com, x@y.keep.example.net\n"
        "Cc: root@h.example.net, u@example.net\nDate: d\n"
        "Message-Id: <x>\n\n");
  const queue::Stored stored = fixture.stored(mail.verdict.queue_id);
  CHECK(stored.envelope.sender == "s3@example.net");
  CHECK(addresses(stored) == std::vector<std::string>{"alice@mail.test"});
}

TEST_CASE("virtual aliases expand until nothing changes", "[cleanup]") {
  struct Case {
    std::map<std::string, std::string> table;
    const char* recipient;
    std::vector<std::string> expected;
  };
  const std::vector<Case> cases = {
      {{{"a@v.test", "b"}}, "a@v.test", {"b@mail.test"}},
      {{{"a@v.test", "a@v.test, b@x"}}, "a@v.test", {"a@v.test", "b@x"}},
      {{{"a@v.test", "b@v.test"}, {"b@v.test", "c@x, d@x"}},
       "a@v.test",
       {"c@x", "d@x"}},
      {{{"@v.test", "@x.test"}}, "u@v.test", {"u@x.test"}},
      {{{"info", "bob"}}, "info@mail.test", {"bob@mail.test"}},
      {{{"info", "bob"}}, "info@v.test", {"info@v.test"}},
      {{{"a@v.test", "b@x"}}, "a+ext@v.test", {"b+ext@x"}},
      {{{"a@v.test", "b@x, b@x"}}, "a@v.test", {"b@x"}},
  };
  for (const Case& each : cases) {
    CAPTURE(each.recipient);
    Fixture fixture("virtual_alias_maps = v\nrecipient_delimiter = +\n");
    fixture.book.tables["v"] = each.table;
    Mail mail(complete_headers);
    mail.recipients.clear();
    mail.to(each.recipient);
    pass(fixture, mail);
    REQUIRE_FALSE(mail.verdict.trouble.present);
    CHECK(addresses(fixture.stored(mail.verdict.queue_id)) == each.expected);
  }
}

TEST_CASE("runaway aliases and silent tables refuse for now", "[cleanup]") {
  struct Case {
    std::map<std::string, std::string> table;
    bool broken;
    const char* logged;
  };
  for (const Case& each : std::vector<Case>{
           {{{"a@v", "b@v"}, {"b@v", "a@v"}},
            false,
            "unreasonable virtual_alias_maps map nesting for a@v -- message "
            "not accepted, try again later"},
           {{{"a@v", "b@v c@v d@v e@v"}},
            false,
            "unreasonable virtual_alias_maps map expansion size for a@v -- "
            "message not accepted, try again later"},
           {{}, true, "virtual_alias_maps map lookup problem for a@v"}}) {
    CAPTURE(each.logged);
    Fixture fixture(
        "virtual_alias_maps = v\nvirtual_alias_recursion_limit = 5\n"
        "virtual_alias_expansion_limit = 3\n");
    fixture.book.tables["v"] = each.table;
    fixture.book.broken = each.broken;
    Mail mail(complete_headers);
    mail.recipients.clear();
    mail.to("a@v");
    pass(fixture, mail);
    REQUIRE(mail.verdict.trouble.present);
    CHECK(mail.verdict.trouble.trouble().status() == "4.6.0");
    CHECK(fixture.has_logged(each.logged));
    CHECK(fixture.names(queue::Box::incoming).empty());
  }
}

TEST_CASE("copies go out without notifications", "[cleanup]") {
  Fixture fixture(
      "always_bcc = dave\nsender_bcc_maps = s\nrecipient_bcc_maps = r\n");
  fixture.book.tables["s"] = {{"sender@example.org", "bob@x"}};
  fixture.book.tables["r"] = {{"@example.com", "carol@x"}};
  Mail mail(complete_headers);
  SECTION("for messages") {
    pass(fixture, mail);
    const queue::Stored stored = fixture.stored(mail.verdict.queue_id);
    CHECK(addresses(stored) ==
          std::vector<std::string>{"rcpt@example.com", "carol@x", "bob@x",
                                   "dave@mail.test"});
    CHECK(stored.envelope.recipients[1].notify == ipc::notify_never);
  }
  SECTION("not for notices") {
    mail.begin.flags = ipc::internal_notice;
    pass(fixture, mail);
    CHECK(addresses(fixture.stored(mail.verdict.queue_id)).size() == 1);
  }
  SECTION("not without mappings") {
    mail.begin.flags = ipc::no_address_mappings;
    pass(fixture, mail);
    CHECK(addresses(fixture.stored(mail.verdict.queue_id)).size() == 1);
  }
}

TEST_CASE("flags decide where a message goes", "[cleanup]") {
  Fixture fixture;
  Mail mail(complete_headers);
  SECTION("held") {
    mail.begin.flags = ipc::hold_message;
    pass(fixture, mail);
    CHECK(fixture.names(queue::Box::hold) ==
          std::vector<std::string>{mail.verdict.queue_id});
  }
  SECTION("discarded") {
    mail.begin.flags = ipc::discard_message;
    pass(fixture, mail);
    CHECK_FALSE(mail.verdict.trouble.present);
    CHECK(fixture.names(queue::Box::hold).empty());
  }
  CHECK(fixture.names(queue::Box::incoming).empty());
}

TEST_CASE("what needs SMTPUTF8 is found out where it is not said",
          "[cleanup]") {
  struct {
    const char* about;
    const char* classes;
    std::string content, sender, recipient;
    bool needed;
  } const cases[] = {
      {"plain", "all", "Subject: x\n\ngr\u00fcn\n", "a@b", "c@d", false},
      {"header", "all", "Subject: gr\u00fcn\n\n", "a@b", "c@d", true},
      {"sender", "smtpd", "\n", "\u00e4@b", "c@d", true},
      {"recipient", "smtpd", "\n", "a@b", "\u00e4@d", true},
      {"other class", "sendmail, verify", "Subject: gr\u00fcn\n\n", "a@b",
       "\u00e4@d", false},
  };
  for (const auto& each : cases) {
    CAPTURE(each.about);
    Fixture fixture("smtputf8_enable = yes\nsmtputf8_autodetect_classes = " +
                    std::string(each.classes) + "\n");
    Mail mail(each.content);
    mail.begin.sender = each.sender;
    mail.recipients.clear();
    mail.to(each.recipient);
    pass(fixture, mail);
    REQUIRE_FALSE(mail.verdict.trouble.present);
    const queue::Stored stored = fixture.stored(mail.verdict.queue_id);
    CHECK(((stored.envelope.flags & ipc::smtputf8_requested) != 0) ==
          each.needed);
  }
}

TEST_CASE("a message without recipients is refused", "[cleanup]") {
  Fixture fixture;
  Mail mail(complete_headers);
  mail.recipients.clear();
  pass(fixture, mail);
  CHECK(mail.verdict.trouble.trouble().status() == "5.1.0");
}

TEST_CASE("many messages share the threads that sync", "[cleanup]") {
  Fixture fixture;
  fixture.syncs.start(3);
  const Means means = fixture.means();
  std::vector<std::unique_ptr<Mail>> mails;
  {
    Nursery nursery;
    for (int i = 0; i < 100; ++i) {
      mails.push_back(std::make_unique<Mail>(complete_headers));
      nursery.start(submit(&means, mails.back().get()));
    }
    fixture.loop.run_until([&] { return nursery.empty(); });
  }
  CHECK(fixture.names(queue::Box::incoming).size() == 100);
  for (const auto& mail : mails) {
    CHECK_FALSE(mail->verdict.trouble.present);
    fixture.stored(mail->verdict.queue_id);
  }
}

TEST_CASE("a message that is dropped on its way leaves nothing",
          "[cleanup]") {
  Fixture fixture;
  {
    Result<std::unique_ptr<Submission>> made =
        Submission::create(fixture.means(), Mail("").begin);
    REQUIRE(made.ok());
    REQUIRE(fixture.names(queue::Box::incoming).size() == 1);
  }
  CHECK(fixture.names(queue::Box::incoming).empty());
}

TEST_CASE("no room in the queue is said at the beginning", "[cleanup]") {
  Fixture fixture("queue_minfree = 4611686018427387904\n");
  Result<std::unique_ptr<Submission>> made =
      Submission::create(fixture.means(), Mail("").begin);
  REQUIRE_FALSE(made.ok());
  CHECK(made.trouble().status() == "4.3.1");
  CHECK(made.trouble().text == "Insufficient system storage");
  ipc::MessageBegin notice = Mail("").begin;
  notice.flags = ipc::internal_notice;
  CHECK(Submission::create(fixture.means(), std::move(notice)).ok());
}

TEST_CASE("a message that cannot fit has no room", "[cleanup]") {
  Fixture fixture("message_size_limit = 6917529027641081856\n");
  CHECK(room_for(fixture.settings, fixture.spool, 0).why.find(
            "1.5*message size limit") != std::string::npos);
}

TEST_CASE("what room a message needs", "[cleanup]") {
  Fixture fixture("message_size_limit = 1000\n");
  CHECK(room_for(fixture.settings, fixture.spool, 0).room);
  const ipc::RoomAnswer announced = room_for(
      fixture.settings, fixture.spool, std::numeric_limits<int64_t>::max());
  CHECK_FALSE(announced.room);
  CHECK(announced.why.find("the client has announced") != std::string::npos);
}
