// Log-ins: AUTH in a session, with a scripted Dovecot behind it.
#include <catch2/catch.hpp>

#include "tests/unit/smtpd/harness.h"

using namespace postern;
using namespace postern::smtpd;
using namespace postern::smtpd::test;
using Catch::Contains;

namespace {

const std::string enabled =
    "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\n"
    "smtpd_sasl_path = private/auth\nsmtpd_hard_error_limit = 100\n"
    "smtpd_soft_error_limit = 100\n";
const char* stranger = "127.0.0.2";
const char* ehlo = "EHLO client.test\r\n";
const char* login = "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n";
const char* wrong = "AUTH PLAIN AGFsaWNlAHdyb25n\r\n";
const char* success = "235 2.7.0 Authentication successful\n";

std::string rcpt(Harness& h, const std::string& from, const std::string& to) {
  h.say("RSET\r\n");
  h.say("MAIL FROM:<" + from + ">\r\n");
  return h.say("RCPT TO:<" + to + ">\r\n");
}

}  // namespace

TEST_CASE("AUTH is announced where it can be used") {
  struct Case {
    const char* settings;
    const char* line;  // "" none
  };
  const Case cases[] = {
      {"", "250-AUTH PLAIN LOGIN CRAM-MD5\n"},
      {"broken_sasl_auth_clients = yes",
       "250-AUTH PLAIN LOGIN CRAM-MD5\n250-AUTH=PLAIN LOGIN CRAM-MD5\n"},
      {"smtpd_sasl_security_options = noanonymous, noplaintext",
       "250-AUTH CRAM-MD5\n"},
      {"smtpd_sasl_security_options =",
       "250-AUTH PLAIN LOGIN CRAM-MD5 ANONYMOUS\n"},
      {"smtpd_sasl_security_options = noanonymous, noplaintext, noactive", ""},
      {"smtpd_sasl_mechanism_filter = login, cram-md5",
       "250-AUTH LOGIN CRAM-MD5\n"},
      {"smtpd_sasl_mechanism_filter = !login, static:rest",
       "250-AUTH PLAIN CRAM-MD5\n"},
      {"smtpd_sasl_exceptions_networks = 127.0.0.0/8", ""},
      {"smtpd_sasl_exceptions_networks = !127.0.0.1, 127.0.0.0/8",
       "250-AUTH PLAIN LOGIN CRAM-MD5\n"},
      {"smtpd_discard_ehlo_keywords = auth", ""},
      {"smtpd_tls_auth_only = yes", ""},
      {"smtpd_sasl_auth_enable = no", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.settings);
    Harness h(enabled + c.settings + "\n");
    h.hear();
    const std::string reply = h.say(ehlo);
    if (*c.line == '\0')
      CHECK(reply.find("AUTH") == std::string::npos);
    else
      CHECK_THAT(reply, Contains(std::string("250-ETRN\n") + c.line +
                                 "250-ENHANCEDSTATUSCODES\n"));
  }
}

TEST_CASE("who has logged in relays, and the message tells of it") {
  Harness h(enabled + "smtpd_sasl_authenticated_header = yes\n", stranger);
  h.hear();
  h.say(ehlo);
  CHECK_THAT(rcpt(h, "alice@here.test", "x@elsewhere.test"),
             Contains("Relay access denied"));
  h.say("RSET\r\n");
  CHECK(h.say(login) == success);
  CHECK(h.say("MAIL FROM:<alice@here.test> AUTH=alice+2B@here.test\r\n") ==
        "250 2.1.0 Ok\n");
  CHECK(h.say("RCPT TO:<x@elsewhere.test>\r\n") == "250 2.1.5 Ok\n");
  h.say("DATA\r\n");
  h.say("Subject: x\r\n\r\ntext\r\n.\r\n");
  h.say("QUIT\r\n");
  h.finish();
  REQUIRE(h.around().messages.size() == 1);
  const Delivered& m = h.around().messages[0];
  CHECK_THAT(m.content, Contains("(unknown [127.0.0.2])\n\t(Authenticated "
                                 "sender: alice)\n\tby mail.here.test"));
  CHECK_THAT(m.content, Contains(" with ESMTPA id Q1"));
  std::map<std::string, std::string> attributes(m.begin.attributes.begin(),
                                                m.begin.attributes.end());
  CHECK(attributes["sasl_method"] == "PLAIN");
  CHECK(attributes["sasl_username"] == "alice");
  CHECK(attributes["sasl_sender"] == "alice+2B@here.test");
  CHECK(m.begin.context == "remote");
  CHECK_THAT(h.log_text(),
             Contains("Q1: client=unknown[127.0.0.2], sasl_method=PLAIN, "
                      "sasl_username=alice, sasl_sender=alice+2B@here.test\n"));
  CHECK_THAT(h.log_text(), Contains(" ehlo=1 auth=1 mail=2 "));
  const auto& heard = h.around().auth_server.heard;
  REQUIRE(heard.size() == 3);
  CHECK(heard[2] ==
        "AUTH\t1\tPLAIN\tservice=smtp\tnologin\trip=127.0.0.2\trport=4000\t"
        "resp=AGFsaWNlAHNlY3JldA==");
}

TEST_CASE("commands around AUTH get Postfix's words") {
  struct Case {
    const char* say;
    const char* reply;
  };
  const char* unknown_reason =
      "535 5.7.8 Error: authentication failed: (reason unavailable)\n";
  const Case cases[] = {
      {"AUTH", "501 5.5.4 Syntax: AUTH mechanism\n"},
      {"AUTH PLAIN x y", "501 5.5.4 Syntax: AUTH mechanism\n"},
      {"AUTH FOO",
       "535 5.7.8 Error: authentication failed: Invalid authentication "
       "mechanism\n"},
      {"AUTH ANONYMOUS dGVzdA==",
       "535 5.7.8 Error: authentication failed: Invalid authentication "
       "mechanism\n"},
      {"AUTH EXTERNAL =",
       "535 5.7.8 Error: authentication failed: Invalid authentication "
       "mechanism\n"},
      {"AUTH SECRET =",
       "535 5.7.8 Error: authentication failed: Invalid authentication "
       "mechanism\n"},
      {"AUTH PLAIN AGFsaWNlAHdyb25n", unknown_reason},
      {"AUTH PLAIN !!!!",
       "535 5.7.8 Error: authentication failed: Invalid base64 data in initial "
       "response\n"},
      {"AUTH PLAIN =", unknown_reason},
      {"AUTH PLAIN", "334 \n"},
      {"*", "501 5.7.0 Authentication aborted\n"},
      {"AUTH PLAIN", "334 \n"},
      {"###",
       "535 5.7.8 Error: authentication failed: Invalid base64 data in "
       "continued response\n"},
      {"AUTH LOGIN", "334 VXNlcm5hbWU6\n"},
      {"YWxpY2U=", "334 UGFzc3dvcmQ6\n"},
      {"d3Jvbmc=", unknown_reason},
      {"MAIL FROM:<a@b.test> AUTH=x AUTH=y",
       "503 5.5.4 Error: multiple AUTH= options\n"},
      {"MAIL FROM:<a@b.test> AUTH", "555 5.5.4 Unsupported option: AUTH\n"},
      {"MAIL FROM:<a@b.test> AUTH=", "250 2.1.0 Ok\n"},
      {"AUTH PLAIN AGFsaWNlAHNlY3JldA==",
       "503 5.5.1 Error: MAIL transaction in progress\n"},
      {"RSET", "250 2.0.0 Ok\n"},
      {"auth login", "334 VXNlcm5hbWU6\n"},
      {"YWxpY2U=", "334 UGFzc3dvcmQ6\n"},
      {"c2VjcmV0", "235 2.7.0 Authentication successful\n"},
      {"AUTH PLAIN AGFsaWNlAHNlY3JldA==",
       "503 5.5.1 Error: already authenticated\n"},
  };
  Harness h(enabled);
  h.hear();
  h.say(ehlo);
  for (const Case& c : cases) {
    CAPTURE(c.say);
    CHECK(h.say(std::string(c.say) + "\r\n") == c.reply);
  }
  CHECK_THAT(h.log_text(),
             Contains("warning: localhost[127.0.0.1]: SASL PLAIN authentication "
                      "failed: (reason unavailable), sasl_username=alice\n"));
  CHECK_THAT(h.log_text(),
             Contains("warning: localhost[127.0.0.1]: SASL PLAIN authentication "
                      "aborted\n"));
  CHECK_THAT(h.log_text(),
             Contains("warning: localhost[127.0.0.1]: SASL FOO authentication "
                      "failed: Invalid authentication mechanism, "
                      "sasl_username=(unavailable)\n"));
}

TEST_CASE("AUTH needs HELO where HELO is required, and is 503 where disabled") {
  {
    Harness h(enabled + "smtpd_helo_required = yes\n");
    h.hear();
    CHECK(h.say(login) == "503 5.5.1 Error: send HELO/EHLO first\n");
  }
  for (const char* settings : {"smtpd_sasl_auth_enable = no\n",
                               "smtpd_tls_auth_only = yes\n",
                               "smtpd_discard_ehlo_keywords = auth\n"}) {
    CAPTURE(settings);
    Harness h(enabled + settings);
    h.hear();
    h.say(ehlo);
    CHECK(h.say(login) == "503 5.5.1 Error: authentication not enabled\n");
    CHECK(h.around().auth_server.heard.size() < 3);
  }
}

TEST_CASE("a mechanism that is not offered is not taken either") {
  Harness h(enabled + "smtpd_sasl_mechanism_filter = login\n");
  h.hear();
  h.say(ehlo);
  CHECK_THAT(h.say(login), Contains("Invalid authentication mechanism"));
  CHECK(h.around().auth_server.heard.size() == 2);
}

TEST_CASE("a server's reasons and troubles reach the client") {
  struct Case {
    const char* answer;
    const char* reply;
  };
  const Case cases[] = {
      {"FAIL\t1\tuser=alice\treason=Account is locked\n",
       "535 5.7.8 Error: authentication failed: Account is locked\n"},
      {"FAIL\t1\tuser=alice\ttemp\n",
       "454 4.7.0 Temporary authentication failure: (reason unavailable)\n"},
      {"FAIL\t1\tuser=alice\treason=Database is down\tcode=temp_fail\n",
       "454 4.7.0 Temporary authentication failure: Database is down\n"},
      // Nobody has logged in without a name.
      {"OK\t1\n",
       "535 5.7.8 Error: authentication failed: (reason unavailable)\n"},
      // Not what was asked, then the answer.
      {"OK\t2\tuser=mallory\nFAIL\t1\n",
       "535 5.7.8 Error: authentication failed: (reason unavailable)\n"},
      {"no such line\nFAIL\t1\n",
       "535 5.7.8 Error: authentication failed: (reason unavailable)\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.answer);
    Harness h(enabled);
    h.around().auth_server.answer = [&](const std::string& line) {
      return line.starts_with("AUTH") ? std::string(c.answer) : std::string();
    };
    h.hear();
    h.say(ehlo);
    CHECK(h.say(login) == c.reply);
  }
}

// The connection to the server is everybody's: what it could take amiss stays
// here.
TEST_CASE("what is not base64 does not reach the server") {
  Harness h(enabled);
  h.hear();
  h.say(ehlo);
  const char* refused =
      "535 5.7.8 Error: authentication failed: Invalid base64 data in ";
  for (const char* text : {"A", "AB", "ABC", "A===", "====", "AB=C", "AB==AB==",
                           "AB==C", "A B"}) {
    CAPTURE(text);
    if (std::string_view(text) != "A B")
      CHECK(h.say(std::string("AUTH PLAIN ") + text + "\r\n") ==
            std::string(refused) + "initial response\n");
    CHECK(h.say("AUTH LOGIN\r\n") == "334 VXNlcm5hbWU6\n");
    CHECK(h.say(std::string(text) + "\r\n") ==
          std::string(refused) + "continued response\n");
    CHECK(h.say("AUTH LOGIN\r\n") == "334 VXNlcm5hbWU6\n");
    CHECK(h.say("=\r\n") == std::string(refused) + "continued response\n");
  }
  for (const std::string& line : h.around().auth_server.heard) {
    CAPTURE(line);
    CHECK_FALSE(line.starts_with("CONT"));
    CHECK(line.find("resp=") == std::string::npos);
  }
  CHECK(h.around().auth_server.connections == 1);
}

TEST_CASE("with Cyrus, what is not base64 gets the library's words") {
  Harness h("smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = cyrus\n");
  h.hear();
  h.say(ehlo);
  CHECK(h.say("AUTH PLAIN A\r\n") ==
        "535 5.7.8 Error: authentication failed: bad protocol / cancel\n");
}

TEST_CASE("policy services hear of MAIL's AUTH=") {
  Harness h(enabled + "smtpd_recipient_restrictions = check_policy_service "
                      "inet:127.0.0.1:1, permit\n");
  h.around().policy_action = "dunno";
  h.hear();
  h.say(ehlo);
  h.say("MAIL FROM:<a@b.test> AUTH=x@y.test\r\n");
  h.say("RCPT TO:<alice@here.test>\r\n");
  h.say("RSET\r\n");
  rcpt(h, "a@b.test", "alice@here.test");
  const auto& asked = h.around().policy_requests;
  REQUIRE(asked.size() == 2);
  CHECK_THAT(asked[0], Contains("\nsasl_sender=x@y.test\n"));
  CHECK_THAT(asked[1], Contains("\nsasl_sender=\n"));
}

TEST_CASE("a response is limited, and the session goes on") {
  Harness h(enabled);
  h.hear();
  h.say(ehlo);
  h.say("AUTH PLAIN\r\n");
  CHECK(h.say(std::string(12289, 'A') + "\r\n") ==
        "500 5.5.6 SASL response limit exceeded\n");
  CHECK(h.say("NOOP\r\n") == "250 2.0.0 Ok\n");
  h.say("AUTH PLAIN\r\n");
  CHECK_THAT(h.say(std::string(12288, 'A') + "\r\n"),
             Catch::StartsWith("535 5.7.8 "));
  const auto& heard = h.around().auth_server.heard;
  CHECK(std::count(heard.begin(), heard.end(), "CANCEL\t1") == 1);
}

TEST_CASE("without authentication server no session begins") {
  Harness h(enabled);
  h.around().auth_server.down = "No such file or directory";
  CHECK(h.finish() ==
        "421 4.3.0 mail.here.test Error: authentication service is not "
        "available\n");
  CHECK(h.log_text() ==
        "connect from localhost[127.0.0.1]\n"
        "warning: SASL: Connect to Dovecot auth socket 'fake' failed: No such "
        "file or directory\nno SASL authentication mechanisms\n");
}

TEST_CASE("where nobody may log in the authentication server is not missed") {
  Harness h(enabled + "smtpd_tls_auth_only = yes\n");
  h.around().auth_server.down = "No such file or directory";
  CHECK(h.hear() == "220 mail.here.test ESMTP Postfix\n");
}

TEST_CASE("where TLS is required, nobody is asked to log in before it") {
  Harness h(enabled + "smtpd_tls_security_level = encrypt\n");
  h.hear();
  CHECK(h.say(ehlo).find("AUTH") == std::string::npos);
}

TEST_CASE("an authentication server that says nothing stops no mail") {
  Harness h(enabled);
  h.around().auth_server.handshake = "";
  CHECK(h.hear() == "220 mail.here.test ESMTP Postfix\n");
  CHECK(h.say("HELO client.test\r\n") == "250 mail.here.test\n");
  CHECK(rcpt(h, "a@client.test", "alice@here.test") == "250 2.1.5 Ok\n");
}

TEST_CASE("a lost authentication server is a temporary failure, then is back") {
  Harness h(enabled);
  FakeAuthServer& server = h.around().auth_server;
  h.hear();
  h.say(ehlo);
  server.hang_up();
  server.down = "Connection refused";
  CHECK(h.say(login) ==
        "454 4.7.0 Temporary authentication failure: (reason unavailable)\n");
  CHECK_THAT(h.log_text(),
             Contains("warning: SASL: Connect to Dovecot auth socket 'fake' "
                      "failed: Connection refused\n"));
  // What was offered is offered still: it will be back.
  CHECK_THAT(h.say(ehlo), Contains("250-AUTH PLAIN LOGIN CRAM-MD5\n"));
  server.down = "";
  CHECK(h.say(login) == success);
  CHECK(server.connections == 2);
}

TEST_CASE("a request that a dying server leaves unanswered is asked again") {
  Harness h(enabled);
  FakeAuthServer& server = h.around().auth_server;
  int requests = 0;
  server.answer = [&](const std::string& line) -> std::string {
    if (!line.starts_with("AUTH")) return "";
    if (++requests > 1) return FakeAuthServer::alice(line);
    server.hang_up();
    return "";
  };
  h.hear();
  h.say(ehlo);
  CHECK(h.say(login) == success);
  CHECK(server.connections == 2);
}

TEST_CASE("a server that dies within an exchange ends it for now") {
  Harness h(enabled);
  h.hear();
  h.say(ehlo);
  CHECK(h.say("AUTH LOGIN\r\n") == "334 VXNlcm5hbWU6\n");
  h.around().auth_server.hang_up();
  CHECK(h.say("YWxpY2U=\r\n") ==
        "454 4.7.0 Temporary authentication failure: Connection lost to "
        "authentication server\n");
  CHECK_THAT(h.log_text(), Contains("warning: SASL: Connection to Dovecot auth "
                                    "socket 'fake' ended: connection lost; 1 "
                                    "under way\n"));
}

TEST_CASE("peers that do not speak the protocol are left") {
  for (const char* text :
       {"VERSION\t2\t0\nDONE\n", "DONE\n", "* OK IMAP ready\tx\nDONE\n",
        "VERSION\t1\t2\nMECH\nDONE\n"}) {
    CAPTURE(text);
    Harness h(enabled);
    h.around().auth_server.handshake = text;
    CHECK_THAT(h.finish(), Contains("421 4.3.0 "));
    CHECK_THAT(h.log_text(), Contains("failed: it does not speak the protocol"));
  }
}

TEST_CASE("many AUTH commands of one client are slowed down") {
  Harness h(enabled + "smtpd_client_auth_rate_limit = 1\n", stranger);
  h.around().anvil_rate = 1;
  h.hear();
  h.say(ehlo);
  CHECK_THAT(h.say(wrong), Catch::StartsWith("535 "));
  h.around().anvil_rate = 2;
  CHECK(h.say(wrong) ==
        "450 4.7.1 Error: too many AUTH commands from 127.0.0.2\n");
  CHECK_THAT(h.log_text(),
             Contains("warning: AUTH command rate limit exceeded: 2 from "
                      "unknown[127.0.0.2] for service smtp\n"));
  const auto& events = h.around().events;
  CHECK(std::count(events.begin(), events.end(), "auth smtp:127.0.0.2") == 2);
}

TEST_CASE("passwords are in no transcript") {
  Harness h(enabled + "notify_classes = protocol\n");
  h.hear();
  h.say(ehlo);
  h.say("AUTH LOGIN\r\n");
  h.say("YWxpY2U=\r\n");
  h.say("d3Jvbmc=\r\n");
  h.say(login);
  h.say("AUTH PLAIN " + std::string(3000, 'Q') + "\r\n");
  h.say("BOGUS\r\n");
  h.say("QUIT\r\n");
  h.finish();
  REQUIRE(h.around().messages.size() == 1);
  const std::string& text = h.around().messages[0].content;
  CHECK_THAT(text, Contains(" In:  AUTH PLAIN (response)\n"));
  CHECK_THAT(text, Contains(" Out: 334 UGFzc3dvcmQ6\n In:  (response)\n"));
  for (const char* secret : {"d3Jvbmc=", "AGFsaWNlAHNlY3JldA==", "QQQQ"}) {
    CHECK(text.find(secret) == std::string::npos);
    CHECK(h.log_text().find(secret) == std::string::npos);
  }
}

TEST_CASE("a trusted proxy says who has logged in") {
  Harness h(enabled + "smtpd_authorized_xclient_hosts = 127.0.0.1\n"
                      "smtpd_relay_restrictions = permit_sasl_authenticated, "
                      "reject\n");
  h.hear();
  h.say(ehlo);
  CHECK_THAT(h.say("XCLIENT LOGIN=zed\r\n"), Catch::StartsWith("220 "));
  h.say(ehlo);
  CHECK(h.say(login) == "503 5.5.1 Error: already authenticated\n");
  CHECK(rcpt(h, "a@b.test", "x@elsewhere.test") == "250 2.1.5 Ok\n");
  CHECK_THAT(h.log_text(), Contains(", sasl_method=XCLIENT, "
                                    "sasl_username=zed\n"));
  h.say("RSET\r\n");
  // A command that is refused changes nothing.
  CHECK_THAT(h.say("XCLIENT LOGIN=[UNAVAILABLE] BOGUS=1\r\n"),
             Catch::StartsWith("501 "));
  CHECK(rcpt(h, "a@b.test", "x@elsewhere.test") == "250 2.1.5 Ok\n");
  h.say("RSET\r\n");
  h.say("XCLIENT NAME=else.test\r\n");
  h.say(ehlo);
  CHECK_THAT(rcpt(h, "a@b.test", "x@elsewhere.test"),
             Catch::StartsWith("554 "));
}

TEST_CASE("sender addresses belong to log-ins") {
  struct Case {
    const char* restriction;
    bool logged_in;
    const char* sender;
    const char* reply;  // nullptr: accepted
  };
  const char* other =
      "553 5.7.1 <bob@here.test>: Sender address rejected: not owned by user "
      "alice\n";
  const char* nobodys =
      "553 5.7.1 <free@here.test>: Sender address rejected: not owned by user "
      "alice\n";
  const char* stranger_owned =
      "553 5.7.1 <bob@here.test>: Sender address rejected: not logged in\n";
  const Case cases[] = {
      {"reject_sender_login_mismatch", true, "bob@here.test", other},
      {"reject_sender_login_mismatch", true, "alice@here.test", nullptr},
      {"reject_sender_login_mismatch", true, "Team@Here.Test", nullptr},
      {"reject_sender_login_mismatch", true, "free@here.test", nobodys},
      {"reject_sender_login_mismatch", true, "x@her.test", nullptr},
      {"reject_sender_login_mismatch", true, "carol@here.test",
       "553 5.7.1 <carol@here.test>: Sender address rejected: not owned by "
       "user alice\n"},
      {"reject_sender_login_mismatch", true, "alice+lists@here.test", nullptr},
      {"reject_sender_login_mismatch", true, "", nullptr},
      {"reject_sender_login_mismatch", false, "bob@here.test", stranger_owned},
      {"reject_sender_login_mismatch", false, "free@here.test", nullptr},
      {"reject_authenticated_sender_login_mismatch", true, "bob@here.test",
       other},
      {"reject_authenticated_sender_login_mismatch", true, "free@here.test",
       nobodys},
      {"reject_authenticated_sender_login_mismatch", false, "bob@here.test",
       nullptr},
      {"reject_known_sender_login_mismatch", true, "bob@here.test", other},
      {"reject_known_sender_login_mismatch", true, "free@here.test", nullptr},
      {"reject_known_sender_login_mismatch", false, "bob@here.test",
       stranger_owned},
      {"reject_known_sender_login_mismatch", false, "free@here.test", nullptr},
      {"reject_unauthenticated_sender_login_mismatch", true, "bob@here.test",
       nullptr},
      {"reject_unauthenticated_sender_login_mismatch", false, "bob@here.test",
       stranger_owned},
  };
  for (const Case& c : cases) {
    CAPTURE(c.restriction, c.logged_in, c.sender);
    Harness h(enabled + "recipient_delimiter = +\n"
                        "smtpd_sender_login_maps = hash:/logins\n"
                        "smtpd_sender_restrictions = " + c.restriction + "\n");
    h.around().table = {{"alice@here.test", "Alice"},
                        {"team@here.test", "bob, alice"},
                        {"bob@here.test", "bob"},
                        {"carol", "carol"},
                        {"@her.test", "bob alice"}};
    h.hear();
    h.say(ehlo);
    if (c.logged_in) CHECK(h.say(login) == success);
    CHECK(rcpt(h, c.sender, "alice@here.test") ==
          (c.reply == nullptr ? "250 2.1.5 Ok\n" : c.reply));
  }
}

TEST_CASE("without a table of owners nobody who logs in owns an address") {
  for (const std::string kind : {"", "known_", "authenticated_"}) {
    CAPTURE(kind);
    Harness h(enabled + "smtpd_sender_restrictions = reject_" + kind +
              "sender_login_mismatch\n");
    h.hear();
    h.say(ehlo);
    CHECK(rcpt(h, "alice@here.test", "alice@here.test") == "250 2.1.5 Ok\n");
    h.say("RSET\r\n");
    h.say(login);
    CHECK(rcpt(h, "alice@here.test", "alice@here.test") ==
          (kind == "known_"
               ? "250 2.1.5 Ok\n"
               : "553 5.7.1 <alice@here.test>: Sender address rejected: not "
                 "owned by user alice\n"));
  }
}

TEST_CASE("owners that cannot be looked up are a temporary failure") {
  Harness h(enabled + "smtpd_sender_login_maps = hash:/logins\n"
                      "smtpd_sender_restrictions = "
                      "reject_sender_login_mismatch\n");
  h.around().tables_broken = true;
  h.hear();
  h.say(ehlo);
  h.say(login);
  CHECK(rcpt(h, "a@here.test", "alice@here.test") ==
        "451 4.3.0 <a@here.test>: Temporary lookup failure\n");
}

TEST_CASE("login restrictions without log-ins are told of") {
  Harness h("smtpd_sender_login_maps = hash:/logins\n"
            "smtpd_sender_restrictions = reject_sender_login_mismatch\n");
  h.around().table = {{"bob@here.test", "bob"}};
  h.hear();
  h.say(ehlo);
  CHECK(rcpt(h, "bob@here.test", "alice@here.test") == "250 2.1.5 Ok\n");
  for (const char* half : {"authenticated", "unauthenticated"})
    CHECK_THAT(h.log_text(),
               Contains(std::string("warning: restriction `reject_") + half +
                        "_sender_login_mismatch' ignored: no SASL support\n"));
}

TEST_CASE("check_sasl_access judges the login name") {
  Harness h(enabled + "smtpd_sender_restrictions = check_sasl_access "
                      "hash:/logins\n");
  h.around().table = {{"alice", "REJECT go away"}};
  h.hear();
  h.say(ehlo);
  CHECK(rcpt(h, "a@b.test", "alice@here.test") == "250 2.1.5 Ok\n");
  h.say("RSET\r\n");
  h.say(login);
  CHECK(rcpt(h, "a@b.test", "alice@here.test") ==
        "554 5.7.1 <alice>: SASL login name rejected: go away\n");
}

TEST_CASE("a login that is anonymous permits nothing") {
  Harness h(enabled + "smtpd_sasl_security_options =\n", stranger);
  h.around().auth_server.answer = [](const std::string& line) {
    return line.starts_with("AUTH") ? std::string("OK\t1\tuser=anonymous\n")
                                    : std::string();
  };
  h.hear();
  h.say(ehlo);
  CHECK(h.say("AUTH ANONYMOUS eA==\r\n") == success);
  CHECK_THAT(rcpt(h, "a@b.test", "x@elsewhere.test"),
             Contains("Relay access denied"));
}

TEST_CASE("headers of who has logged in are completed like our own") {
  Harness h(enabled + "local_header_rewrite_clients = "
                      "permit_sasl_authenticated\n", stranger);
  h.hear();
  h.say(ehlo);
  rcpt(h, "a@b.test", "alice@here.test");
  h.say("RSET\r\n");
  h.say(login);
  rcpt(h, "a@b.test", "alice@here.test");
  REQUIRE(h.around().messages.size() == 2);
  CHECK(h.around().messages[0].begin.context == "remote");
  CHECK(h.around().messages[1].begin.context == "local");
}

TEST_CASE("a plaintext session is refused in Postfix's words") {
  Harness h("smtpd_sender_restrictions = reject_plaintext_session\n");
  h.hear();
  h.say(ehlo);
  CHECK(rcpt(h, "a@b.test", "alice@here.test") ==
        "450 4.7.1 Session encryption is required\n");
}

// --- the shared connection ---

namespace {

struct Pair {
  Loop loop;
  FakeAuthServer server;
  log::Log log{"test"};
  std::unique_ptr<AuthService> service =
      std::make_unique<AuthService>(server, log);
  std::vector<std::string> order;
};

AuthStart plain_start(const char* response) {
  AuthStart start;
  start.mechanism = "PLAIN";
  start.service = "smtp";
  start.initial = response;
  return start;
}

Task<void> log_in(Pair* pair, std::string name, std::string response) {
  AuthExchange exchange(*pair->service);
  AuthReply reply = co_await exchange.first(plain_start(response.c_str()));
  pair->order.push_back(name + (reply.what == AuthReply::What::success
                                    ? " in"
                                    : " out"));
}

}  // namespace

TEST_CASE("a log-in that waits holds up no other") {
  Pair pair;
  std::string held;
  pair.server.answer = [&](const std::string& line) -> std::string {
    if (!line.starts_with("AUTH")) return "";
    const std::string id = line.substr(5, line.find('\t', 5) - 5);
    if (line.ends_with("resp=c2xvdw==")) {
      held = "OK\t" + id + "\tuser=slow\n";
      return "";
    }
    // The other's answer goes with this one, behind it.
    return "OK\t" + id + "\tuser=quick\n" + std::exchange(held, "");
  };
  Nursery nursery;
  nursery.start(log_in(&pair, "slow", "c2xvdw=="));
  nursery.start(log_in(&pair, "quick", "cXVpY2s="));
  pair.loop.run_until([&] { return nursery.empty(); });
  CHECK(pair.order == std::vector<std::string>{"quick in", "slow in"});
  CHECK(pair.server.connections == 1);
}

TEST_CASE("a session that goes takes its log-in along") {
  Pair pair;
  pair.server.answer = [](const std::string&) { return std::string(); };
  {
    Nursery nursery;
    nursery.start(log_in(&pair, "gone", "eA=="));
    pair.loop.run_until([&] { return pair.server.heard.size() == 3; });
  }
  pair.loop.run_until([&] { return pair.server.heard.size() == 4; });
  CHECK(pair.server.heard.back() == "CANCEL\t1");
  CHECK(pair.order.empty());
}

TEST_CASE("a line without end ends the connection") {
  Pair pair;
  pair.server.answer = [](const std::string& line) {
    return line.starts_with("AUTH") ? std::string(70000, 'x') : std::string();
  };
  Nursery nursery;
  nursery.start(log_in(&pair, "bob", "eA=="));
  pair.loop.run_until([&] { return nursery.empty(); });
  CHECK(pair.order == std::vector<std::string>{"bob out"});
}

TEST_CASE("what is offered is what the server has since it is back") {
  Pair pair;
  Nursery nursery;
  nursery.start(log_in(&pair, "alice", "AGFsaWNlAHNlY3JldA=="));
  pair.loop.run_until([&] { return nursery.empty(); });
  CHECK(pair.service->mechanisms().size() == 6);
  // Connected, or tried just now: nothing to do.
  pair.service->refresh(Millis(0));
  CHECK(pair.server.connections == 1);
  pair.server.handshake = "VERSION\t1\t2\nMECH\tLOGIN\tplaintext\nDONE\n";
  pair.server.hang_up();
  pair.loop.run_until([&] { return !pair.service->connected(); });
  pair.service->refresh(Seconds(1000));
  CHECK(pair.server.connections == 1);
  pair.service->refresh(Millis(0));
  pair.loop.run_until([&] { return pair.service->mechanisms().size() == 1; });
  CHECK(pair.server.connections == 2);
}
