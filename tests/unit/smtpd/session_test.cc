#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "tests/unit/smtpd/harness.h"

using namespace postern;
using namespace postern::smtpd::test;
using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;

namespace {

const char* ehlo = "EHLO client.test\r\n";
const char* from = "MAIL FROM:<a@client.test>\r\n";
const char* to = "RCPT TO:<alice@here.test>\r\n";

void open_transaction(Harness& h) {
  h.hear();
  h.say(ehlo);
  REQUIRE(h.say(from) == "250 2.1.0 Ok\n");
  REQUIRE(h.say(to) == "250 2.1.5 Ok\n");
}

}  // namespace

TEST_CASE("a message goes from greeting to queue in Postfix's words") {
  Harness h;
  CHECK(h.hear() == "220 mail.here.test ESMTP Postfix\n");
  CHECK(h.say(ehlo) ==
        "250-mail.here.test\n250-PIPELINING\n250-SIZE 10240000\n250-VRFY\n"
        "250-ETRN\n250-ENHANCEDSTATUSCODES\n250-8BITMIME\n250-DSN\n"
        "250-SMTPUTF8\n250 CHUNKING\n");
  CHECK(h.say(from) == "250 2.1.0 Ok\n");
  CHECK(h.say(to) == "250 2.1.5 Ok\n");
  CHECK(h.say("DATA\r\n") == "354 End data with <CR><LF>.<CR><LF>\n");
  CHECK(h.say("Subject: x\r\n\r\n..dot\r\n.\r\n") ==
        "250 2.0.0 Ok: queued as Q1\n");
  CHECK(h.say("QUIT\r\n") == "221 2.0.0 Bye\n");
  CHECK(h.finish() == "");
  CHECK(h.log_text() ==
        "connect from localhost[127.0.0.1]\n"
        "Q1: client=localhost[127.0.0.1]\n"
        "disconnect from localhost[127.0.0.1] ehlo=1 mail=1 rcpt=1 data=1 "
        "quit=1 commands=5\n");
  REQUIRE(h.around().messages.size() == 1);
  const Delivered& m = h.around().messages[0];
  CHECK(m.ended);
  CHECK(m.frames == 1);
  CHECK(m.begin.sender == "a@client.test");
  CHECK(m.begin.context == "local");
  CHECK_THAT(m.content, Contains("Received: from client.test (localhost "
                                 "[127.0.0.1])\n\tby mail.here.test"));
  CHECK_THAT(m.content, Contains("id Q1\n\tfor <alice@here.test>; "));
  CHECK_THAT(m.content, Catch::EndsWith("\nSubject: x\n\n.dot\n"));
}

TEST_CASE("a pipelined group is answered in order and in one go") {
  Harness h;
  h.hear();
  h.say(ehlo);
  CHECK(h.say(std::string(from) + "RCPT TO:<ghost@here.test>\r\n" + to +
                  "DATA\r\n",
              4) ==
        "250 2.1.0 Ok\n"
        "550 5.1.1 <ghost@here.test>: Recipient address rejected: User unknown "
        "in local recipient table\n"
        "250 2.1.5 Ok\n"
        "354 End data with <CR><LF>.<CR><LF>\n");
  CHECK(h.say("x\r\n.\r\nQUIT\r\n", 2) ==
        "250 2.0.0 Ok: queued as Q1\n221 2.0.0 Bye\n");
}

TEST_CASE("one link carries one message after another") {
  Harness h;
  open_transaction(h);
  h.say("DATA\r\n");
  h.say(".\r\n");
  h.say(from);
  h.say(to);
  h.say("DATA\r\n");
  CHECK(h.say(".\r\n") == "250 2.0.0 Ok: queued as Q2\n");
  CHECK(h.around().links_made == 1);
}

TEST_CASE("commands out of order get 503, and the transaction stands") {
  Harness h;
  h.hear();
  CHECK(h.say(to) == "503 5.5.1 Error: need MAIL command\n");
  CHECK(h.say("DATA\r\n") == "503 5.5.1 Error: need RCPT command\n");
  CHECK(h.say("BDAT 5 LAST\r\nabc\r\n") ==
        "503 5.5.1 Error: need RCPT command\n");
  CHECK(h.say(from) == "250 2.1.0 Ok\n");
  CHECK(h.say("DATA\r\n") == "554 5.5.1 Error: no valid recipients\n");
  CHECK(h.say(from) == "503 5.5.1 Error: nested MAIL command\n");
  CHECK(h.say(to) == "250 2.1.5 Ok\n");
}

TEST_CASE("malformed MAIL and RCPT commands are told apart") {
  struct Case {
    const char* line;
    const char* reply;
  };
  const Case cases[] = {
      {"MAIL", "501 5.5.4 Syntax: MAIL FROM:<address>\n"},
      {"MAIL FROM:", "501 5.5.4 Syntax: MAIL FROM:<address>\n"},
      {"MAIL TO:<a@b>", "501 5.5.4 Syntax: MAIL FROM:<address>\n"},
      {"MAIL FROM:<a@b.test> FOO=bar",
       "555 5.5.4 Unsupported option: FOO=bar\n"},
      {"MAIL FROM:<a@b.test> SIZE=abc", "501 5.5.4 Bad message size syntax\n"},
      {"MAIL FROM:<a@b.test> SIZE=99999999999999999999",
       "552 5.3.4 Message size exceeds file system imposed limit\n"},
      {"MAIL FROM:<a@b.test> SIZE=10240001",
       "552 5.3.4 Message size exceeds fixed limit\n"},
      {"MAIL FROM:<a@b.test> BODY=9BIT",
       "555 5.5.4 Unsupported option: BODY=9BIT\n"},
      {"MAIL FROM:<a@b.test> RET=FULL RET=HDRS",
       "501 5.5.4 Bad RET parameter syntax\n"},
      {"MAIL FROM:<a@b.test", "501 5.1.7 Bad sender address syntax\n"},
      {"MAIL FROM:<a b@b.test>", "501 5.1.7 Bad sender address syntax\n"},
      {"MAIL FROM:<>", "250 2.1.0 Ok\n"},
      {"RCPT", "501 5.5.4 Syntax: RCPT TO:<address>\n"},
      {"RCPT TO:<>", "501 5.1.3 Bad recipient address syntax\n"},
      {"RCPT TO:<a@here.test> NOTIFY=NEVER,SUCCESS",
       "501 5.5.4 Error: Bad NOTIFY parameter syntax\n"},
      {"RCPT TO:<a@here.test> X", "555 5.5.4 Unsupported option: X\n"},
      {"RCPT TO:<a@here.test> NOTIFY=SUCCESS ORCPT=rfc822;b@c",
       "250 2.1.5 Ok\n"},
  };
  Harness h("smtpd_hard_error_limit = 100\nsmtpd_soft_error_limit = 100\n");
  h.hear();
  for (const Case& c : cases) {
    CAPTURE(c.line);
    CHECK(h.say(std::string(c.line) + "\r\n") == c.reply);
  }
  h.say("DATA\r\n");
  h.say(".\r\n");
  REQUIRE(h.around().messages.size() == 1);
  REQUIRE(h.around().messages[0].recipients.size() == 1);
  CHECK(h.around().messages[0].recipients[0].orcpt == "rfc822;b@c");
  CHECK(h.around().messages[0].recipients[0].notify == ipc::notify_success);
}

TEST_CASE("NUL and CR have no place in a command") {
  const auto with = [](std::string text) {
    return replace_all(std::move(text), "0", std::string(1, '\0')) + "\r\n";
  };
  Harness h;
  h.hear();
  h.say(ehlo);
  CHECK(h.say(with("MAIL FROM:<a0@client.test>")) ==
        "501 5.1.7 Bad sender address syntax\n");
  CHECK(h.say("MAIL FROM:<\"a\rb\"@client.test>\r\n") ==
        "501 5.1.7 Bad sender address syntax\n");
  // Two at the end are one line's end too many, no more.
  CHECK(h.say("NOOP\r\r\n") == "250 2.0.0 Ok\n");
  CHECK(h.say(from) == "250 2.1.0 Ok\n");
  for (const std::string& line :
       {with("RCPT TO:<\"n0y\"@here.test>"), with("RCPT TO:<n@here.test>0"),
        with("RCPT TO:<n@here.test> ORCPT=rfc822;0"),
        std::string("RCPT TO:<\"n\ry\"@here.test>\r\n")}) {
    CAPTURE(line);
    CHECK(h.say(line) == "501 5.1.3 Bad recipient address syntax\n");
  }
  CHECK(h.say(with("NOOP 0")) == "500 5.5.2 Error: bad syntax\n");
  CHECK(h.say(with("FOO 0")) == "500 5.5.2 Error: command not recognized\n");
  CHECK(h.say(to) == "250 2.1.5 Ok\n");
  CHECK(h.say(with("BDAT 50 LAST")) ==
        "521 5.5.4 Syntax: BDAT count [LAST]\n");
  h.finish();
  CHECK_THAT(h.log_text(), Contains(" rcpt=1/5 "));
}

TEST_CASE("chunks make a message, and refused ones are swallowed") {
  Harness h;
  open_transaction(h);
  CHECK(h.say("BDAT 19\r\nSubject: chunks\r\n\r\n") ==
        "250 2.0.0 Ok: 19 bytes\n");
  CHECK(h.say("BDAT 15\r\nfirst\r\n.dot\r\n\r\n") ==
        "250 2.0.0 Ok: 15 bytes\n");
  CHECK(h.say(from) == "503 5.5.1 Error: nested MAIL command\n");
  CHECK(h.say("BDAT 0 LAST\r\n") ==
        "250 2.0.0 Ok: 34 bytes queued as Q1\n");
  CHECK_THAT(h.around().messages[0].content,
             Catch::EndsWith("\nSubject: chunks\n\nfirst\n.dot\n\n"));
  // Refused: the bytes of the chunk are no commands.
  CHECK(h.say("BDAT 6\r\nQUIT\r\nNOOP\r\n", 2) ==
        "503 5.5.1 Error: need RCPT command\n250 2.0.0 Ok\n");
  CHECK(h.say("BDAT 6 LAST\r\nQUIT\r\n") ==
        "551 5.0.0 Discarded 6 bytes after earlier error\n");
  CHECK(h.say("NOOP\r\n") == "250 2.0.0 Ok\n");
  CHECK(h.say("BDAT x\r\n") == "521 5.5.4 Syntax: BDAT count [LAST]\n");
  h.finish();
}

TEST_CASE("a full queue is said at MAIL, and no longer than it lasts") {
  Harness h;
  h.hear();
  h.say("EHLO x\r\n");
  h.around().no_room = "7 bytes < queue_minfree 8";
  CHECK(h.say("MAIL FROM:<a@b.test>\r\n") ==
        "452 4.3.1 Insufficient system storage\n");
  CHECK_THAT(h.log_text(),
             Contains("NOQUEUE: reject: MAIL from localhost[127.0.0.1]: 452 "
                      "4.3.1 Insufficient system storage; proto=ESMTP "
                      "helo=<x>\nwarning: not enough free space in mail "
                      "queue: 7 bytes < queue_minfree 8\n"));
  h.around().no_room.clear();
  CHECK(h.say("MAIL FROM:<a@b.test>\r\n") == "250 2.1.0 Ok\n");
}

TEST_CASE("a message that is too big is refused after its end") {
  Harness h("message_size_limit = 1000\n");
  open_transaction(h);
  h.say("DATA\r\n");
  std::string big;
  for (int i = 0; i < 40000; ++i) big += "0123456789\r\n";
  CHECK(h.say(big + ".\r\n") == "552 5.3.4 Error: message file too big\n");
  CHECK_THAT(h.log_text(),
             Contains("warning: Q1: queue file size limit exceeded\n"));
  CHECK(h.around().messages[0].content.size() < 70000);
  CHECK_FALSE(h.around().messages[0].ended);
  CHECK(h.say(from) == "250 2.1.0 Ok\n");
}

TEST_CASE("content larger than a frame streams on") {
  Harness h("message_size_limit = 0\n");
  open_transaction(h);
  h.say("DATA\r\n");
  std::string big, expected;
  for (int i = 0; i < 60000; ++i) {
    big += "0123456789\r\n";
    expected += "0123456789\n";
  }
  CHECK(h.say(big + ".\r\n") == "250 2.0.0 Ok: queued as Q1\n");
  const Delivered& m = h.around().messages[0];
  CHECK(m.frames > 5);
  CHECK(m.content.size() > expected.size());
  CHECK(m.content.ends_with(expected));
}

TEST_CASE("cleanup's failures reach the client") {
  Harness h;
  SECTION("no room") {
    h.around().begin_trouble =
        ipc::TroubleWire::from(try_later("3.1", "disk full"));
    h.hear();
    h.say(ehlo);
    h.say(from);
    CHECK(h.say(to) == "452 4.3.1 Insufficient system storage\n");
  }
  SECTION("the link breaks") {
    open_transaction(h);
    h.around().break_before_verdict = true;
    h.say("DATA\r\n");
    CHECK(h.say(".\r\n") == "451 4.3.0 Error: queue file write error\n");
    h.around().break_before_verdict = false;
    h.say(from);
    h.say(to);
    h.say("DATA\r\n");
    CHECK(h.say(".\r\n") == "250 2.0.0 Ok: queued as Q2\n");
  }
  SECTION("a verdict against the message") {
    open_transaction(h);
    h.around().verdict_trouble =
        ipc::TroubleWire::from(give_up("4.0", "Error: too many hops"));
    h.say("DATA\r\n");
    CHECK(h.say(".\r\n") == "554 5.4.0 Error: too many hops\n");
  }
}

// Acknowledged mail that lacks its end is lost mail.
TEST_CASE("a message that cleanup does not take in time is refused") {
  Harness h("smtpd_timeout = 1s\nmessage_size_limit = 0\n");
  open_transaction(h);
  h.around().cleanup_stuck = true;
  std::string lines;
  for (int i = 0; i < 400000; ++i) lines += "0123456789\r\n";
  const std::string bytes = std::to_string(lines.size());
  const char* refused = "451 4.3.0 Error: queue file write error\n";
  SECTION("DATA") {
    h.say("DATA\r\n");
    CHECK(h.say(lines + ".\r\n") == refused);
  }
  SECTION("BDAT") {
    CHECK(h.say("BDAT " + bytes + " LAST\r\n" + lines) == refused);
  }
  SECTION("BDAT, with more to come") {
    CHECK(h.say("BDAT " + bytes + "\r\n" + lines) == refused);
    CHECK(h.say("BDAT 5 LAST\r\nhello") ==
          "551 5.0.0 Discarded 5 bytes after earlier error\n");
  }
  CHECK_THAT(h.log_text(), Contains("warning: Q1: the cleanup service does not "
                                    "take the message\n"));
  h.around().cleanup_stuck = false;
  h.say(from);
  h.say(to);
  h.say("DATA\r\n");
  CHECK(h.say("Subject: x\r\n\r\nwhole\r\n.\r\n") ==
        "250 2.0.0 Ok: queued as Q2\n");
  CHECK_FALSE(h.around().messages[0].ended);
  CHECK(h.around().messages[1].ended);
}

TEST_CASE("a link from the pool that has died is replaced") {
  Harness h;
  open_transaction(h);
  h.say("DATA\r\n");
  h.say(".\r\n");
  REQUIRE(h.around().idle.size() == 1);
  h.around().idle[0]->close();
  h.say(from);
  CHECK(h.say(to) == "250 2.1.5 Ok\n");
  CHECK(h.around().links_made == 2);
}

TEST_CASE("smuggled ends of data are no ends") {
  Harness h("smtpd_forbid_bare_newline = yes\n"
            "smtpd_forbid_bare_newline_exclusions =\n");
  open_transaction(h);
  h.say("DATA\r\n");
  h.send("A\n.\r\nMAIL FROM:<evil@x>\r\n.\nRCPT TO:<b@c>\n.\nDATA\r\n");
  CHECK(h.say(".\r\n") == "250 2.0.0 Ok: queued as Q1\n");
  CHECK(h.around().messages.size() == 1);
}

TEST_CASE("bare newlines are rejected where that is asked for") {
  Harness h("smtpd_forbid_bare_newline = reject\n"
            "smtpd_forbid_bare_newline_reject_code = 521\n"
            "smtpd_forbid_bare_newline_exclusions =\n");
  SECTION("in content") {
    open_transaction(h);
    h.say("DATA\r\n");
    CHECK(h.say("a\nb\r\n.\r\n") ==
          "521 5.5.2 mail.here.test Error: bare <LF> received\n");
    h.finish();
    CHECK_THAT(h.log_text(),
               Contains("Q1: reject: END-OF-MESSAGE from localhost[127.0.0.1]: "
                        "bare <LF> received; from=<a@client.test> "
                        "to=<alice@here.test> proto=ESMTP helo=<client.test>"));
    CHECK_THAT(h.log_text(), Contains("data=0/1 commands=3/4\n"));
  }
  SECTION("in a command") {
    h.hear();
    CHECK(h.say("EHLO client.test\n") ==
          "521 5.5.2 mail.here.test Error: bare <LF> received\n");
    h.finish();
    CHECK_THAT(h.log_text(), Contains("localhost[127.0.0.1] commands=0/0\n"));
  }
}

TEST_CASE("too many errors and too much junk end the session") {
  Harness h("smtpd_junk_command_limit = 2\nsmtpd_hard_error_limit = 3\n");
  h.hear();
  h.say("HELO x\r\n");
  for (const char* c : {"NOOP", "RSET", "NOOP", "NOOP", "NOOP"})
    CHECK(h.say(std::string(c) + "\r\n") == "250 2.0.0 Ok\n");
  CHECK(h.finish() == "421 4.7.0 mail.here.test Error: too many errors\n");
  CHECK_THAT(h.log_text(),
             Contains("too many errors after NOOP from localhost[127.0.0.1]\n"
                      "disconnect from localhost[127.0.0.1] helo=1 rset=1 "
                      "noop=4 commands=6\n"));
}

TEST_CASE("how a session broke off is logged") {
  Harness h("smtpd_timeout = 1s\n");
  SECTION("lost in the middle of content") {
    open_transaction(h);
    h.say("DATA\r\n");
    h.send("abc\r\n");
    h.hang_up();
    h.finish();
    CHECK_THAT(h.log_text(), Contains("lost connection after DATA (5 bytes) "
                                      "from localhost[127.0.0.1]\n"));
    CHECK_FALSE(h.around().messages[0].ended);
  }
  SECTION("timed out") {
    h.hear();
    h.say("NOOP\r\n");
    CHECK(h.finish() == "421 4.4.2 mail.here.test Error: timeout exceeded\n");
    CHECK_THAT(h.log_text(),
               Contains("timeout after NOOP from localhost[127.0.0.1]\n"));
  }
}

TEST_CASE("improper pipelining is noted or forbidden") {
  SECTION("noted") {
    Harness h("smtpd_data_restrictions = reject_unauth_pipelining\n");
    h.hear();
    h.say("HELO x\r\n");
    CHECK(h.say(std::string(from) + to + "DATA\r\nQUIT\r\n", 4) ==
          "250 2.1.0 Ok\n250 2.1.5 Ok\n"
          "503 5.5.0 <DATA>: Data command rejected: Improper use of SMTP "
          "command pipelining\n221 2.0.0 Bye\n");
  }
  SECTION("forbidden") {
    Harness h("smtpd_forbid_unauth_pipelining = yes\n");
    h.hear();
    CHECK(h.say(std::string(ehlo) + from) ==
          "554 5.5.0 Error: SMTP protocol synchronization\n");
    h.finish();
    CHECK_THAT(h.log_text(),
               Contains("improper command pipelining after EHLO from "
                        "localhost[127.0.0.1]: MAIL FROM:<a@client.test>\\r\\n"
                        "\ndisconnect from localhost[127.0.0.1] ehlo=0/1 "
                        "commands=0/1\n"));
  }
}

TEST_CASE("counters of other sessions limit this one") {
  SECTION("connections") {
    Harness h("smtpd_client_event_limit_exceptions =\n"
              "smtpd_client_connection_count_limit = 1\n");
    h.around().anvil_count = 2;
    CHECK(h.finish() == "421 4.7.0 mail.here.test Error: too many connections "
                        "from 127.0.0.1\n");
    CHECK_THAT(h.log_text(),
               Contains("warning: Connection concurrency limit exceeded: 2 "
                        "from localhost[127.0.0.1] for service smtp\n"));
    CHECK(h.around().events == std::vector<std::string>{
                                   "connect smtp:127.0.0.1",
                                   "disconnect smtp:127.0.0.1"});
  }
  SECTION("messages") {
    Harness h("smtpd_client_event_limit_exceptions =\n"
              "smtpd_client_connection_count_limit = 0\n"
              "smtpd_client_message_rate_limit = 2\n");
    h.around().anvil_rate = 3;
    h.hear();
    CHECK(h.say(from) == "450 4.7.1 Error: too much mail from 127.0.0.1\n");
  }
}

TEST_CASE("VRFY and ETRN say no more than RCPT would") {
  Harness h;
  h.hear();
  CHECK(h.say("VRFY\r\n") == "501 5.5.4 Syntax: VRFY address [SMTPUTF8]\n");
  CHECK(h.say("VRFY <a@here.test>\r\n") == "252 2.0.0 <a@here.test>\n");
  CHECK(h.say("VRFY ghost@here.test\r\n") ==
        "550 5.1.1 <ghost@here.test>: Recipient address rejected: User unknown "
        "in local recipient table\n");
  CHECK(h.say("ETRN\r\n") == "500 Syntax: ETRN domain\n");
  CHECK(h.say("ETRN @relay.test\r\n") == "250 Queuing started\n");
  CHECK(h.say("ETRN x.test\r\n") == "459 <x.test>: service unavailable\n");
}

TEST_CASE("an overlong command is cut and answered once") {
  Harness h;
  h.hear();
  CHECK(h.say("NOOP " + std::string(30000, 'n') + "\r\n") == "250 2.0.0 Ok\n");
  CHECK_THAT(h.log_text(),
             Contains("warning: localhost[127.0.0.1]: request longer than "
                      "2048: NOOP nnnnnnnnnnnnnnnnnnnnnnnnn...\n"));
  CHECK(h.say("NOOP\r\n") == "250 2.0.0 Ok\n");
}

TEST_CASE("an authorised proxy speaks for its client") {
  Harness h("smtpd_authorized_xclient_hosts = 127.0.0.1\n");
  h.hear();
  CHECK(h.say("XCLIENT ADDR=999.1.1.1\r\n") ==
        "501 5.5.4 Bad ADDR syntax: 999.1.1.1\n");
  CHECK(h.say("XCLIENT FOO=bar\r\n") ==
        "501 5.5.4 Bad XCLIENT attribute name: FOO\n");
  CHECK(h.say("XCLIENT NAME=ok.test ADDR=192.0.2.33\r\n") ==
        "220 mail.here.test ESMTP Postfix\n");
  h.say(ehlo);
  CHECK(h.say("XCLIENT NAME=x.test\r\n") ==
        "550 5.7.0 Error: insufficient authorization\n");
  h.say(from);
  CHECK(h.say("RCPT TO:<x@elsewhere.test>\r\n") ==
        "454 4.7.1 <x@elsewhere.test>: Relay access denied\n");
  h.say("QUIT\r\n");
  h.finish();
  CHECK_THAT(h.log_text(), Contains("disconnect from ok.test[192.0.2.33] ehlo=1 "
                                    "xclient=0/4 "));
}

TEST_CASE("XFORWARD tells the log whose message it was") {
  Harness h("smtpd_authorized_xforward_hosts = 127.0.0.1\n");
  h.hear();
  CHECK(h.say("XFORWARD NAME=o.test ADDR=192.0.2.77 IDENT=ABC SOURCE=REMOTE"
              "\r\n") == "250 2.0.0 Ok\n");
  CHECK(h.say("XFORWARD NOPE=1\r\n") ==
        "501 5.5.4 Bad XFORWARD attribute name: NOPE\n");
  h.say(from);
  h.say(to);
  CHECK(h.say("XFORWARD NAME=x\r\n") ==
        "503 5.5.1 Error: MAIL transaction in progress\n");
  CHECK_THAT(h.log_text(),
             Contains("Q1: client=localhost[127.0.0.1], orig_queue_id=ABC, "
                      "orig_client=o.test[192.0.2.77]\n"));
  CHECK(h.around().messages[0].begin.context == "remote");
  // Of that message, and of no other.
  h.say("DATA\r\n");
  REQUIRE(h.say(".\r\n") == "250 2.0.0 Ok: queued as Q1\n");
  h.say(from);
  h.say(to);
  CHECK_THAT(h.log_text(), Contains("Q2: client=localhost[127.0.0.1]\n"));
  CHECK(h.around().messages[1].begin.context == "local");
}

TEST_CASE("who may speak for others with XFORWARD may after XCLIENT too") {
  Harness h("smtpd_authorized_xforward_hosts = 127.0.0.1\n"
            "smtpd_authorized_xclient_hosts = 127.0.0.1\n");
  h.hear();
  h.say("XCLIENT NAME=ok.test ADDR=192.0.2.33\r\n");
  CHECK_THAT(h.say(ehlo), Contains("XFORWARD NAME ADDR"));
  CHECK(h.say("XFORWARD NAME=o.test\r\n") == "250 2.0.0 Ok\n");
}

TEST_CASE("doubts about a client's name are logged") {
  Harness h;
  h.around().name_warning =
      "hostname x.test does not resolve to address 127.0.0.1";
  h.hear();
  CHECK_THAT(h.log_text(),
             StartsWith("warning: hostname x.test does not resolve to address "
                        "127.0.0.1\nconnect from localhost[127.0.0.1]\n"));
}

TEST_CASE("the postmaster gets the transcript of what notify_classes names") {
  Harness h("notify_classes = protocol\n");
  h.hear();
  h.say("BOGUS\r\n");
  h.say("QUIT\r\n");
  h.finish();
  REQUIRE(h.around().messages.size() == 1);
  const Delivered& m = h.around().messages[0];
  CHECK(m.begin.sender == "double-bounce@mail.here.test");
  CHECK(m.recipients.at(0).address == "postmaster");
  CHECK_THAT(m.content,
             Contains("Subject: Postfix SMTP server: errors from "
                      "localhost[127.0.0.1]\n"));
  CHECK_THAT(m.content, Contains(" In:  BOGUS\n Out: 500 5.5.2 Error: command "
                                 "not recognized\n"));
  CHECK_THAT(m.content, StartsWith("Received: by mail.here.test (Postfix)\n"
                                   "\tid "));
  CHECK_THAT(m.content, Contains("\nFrom: Mail Delivery System "
                                 "<MAILER-DAEMON@mail.here.test>\n"
                                 "To: Postmaster <postmaster>\n"));
  CHECK_THAT(m.content, EndsWith(" Out: 221 2.0.0 Bye\n\n\nFor other "
                                 "details, see the local mail logfile\n"));
}

TEST_CASE("soft_bounce and footers change what is sent") {
  Harness h("soft_bounce = yes\nsmtpd_reject_footer = \\c. Call $client_address"
            "\n");
  h.hear();
  CHECK(h.say("BOGUS\r\n") ==
        "400 4.5.2 Error: command not recognized. Call 127.0.0.1\n");
}

TEST_CASE("forbidden commands end the session") {
  Harness h;
  h.hear();
  SECTION("by name") { h.send("GET / HTTP/1.0\r\n"); }
  SECTION("by pattern") { h.send("\1\2x\r\n"); }
  SECTION("as a header") { h.send("Subject: x\r\n"); }
  CHECK(h.finish() ==
        "221 2.7.0 Error: I can break rules, too. Goodbye.\n");
}
