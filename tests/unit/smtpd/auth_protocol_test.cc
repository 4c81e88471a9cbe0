// The lines of the Dovecot auth protocol, and which mechanisms are offered.
#include "smtpd/auth_protocol.h"

#include <catch2/catch.hpp>

#include "smtpd/sasl_settings.h"

using namespace postern;
using namespace postern::smtpd;
using Kind = AuthServerLine::Kind;

TEST_CASE("a server's lines are told apart") {
  struct Case {
    const char* line;
    Kind kind;
  };
  const Case cases[] = {
      {"VERSION\t1\t2", Kind::version},
      {"VERSION\t1", Kind::version},
      {"VERSION", Kind::broken},
      {"VERSION\tone\t2", Kind::broken},
      {"MECH\tPLAIN\tplaintext", Kind::mechanism},
      {"MECH", Kind::broken},
      {"MECH\t", Kind::broken},
      {"MECH\tPL AIN", Kind::broken},
      {"SPID\t12", Kind::other},
      {"CUID\t12", Kind::other},
      {"COOKIE\tabc", Kind::other},
      {"SOMETHING\tnew", Kind::other},
      {"", Kind::other},
      {"DONE", Kind::done},
      {"CONT\t1\tYQ==", Kind::more},
      {"CONT\t1\t", Kind::more},
      {"CONT\t1", Kind::more},
      {"CONT\t1\tno base64!", Kind::broken},
      {"CONT\t0\tYQ==", Kind::broken},
      {"CONT\t4294967296\tYQ==", Kind::broken},
      {"OK\t4294967295\tuser=x", Kind::success},
      {"OK", Kind::broken},
      {"FAIL\t-1", Kind::broken},
      {"FAIL\t2", Kind::failure},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    CHECK(parse_auth_line(c.line).kind == c.kind);
  }
}

TEST_CASE("what an answer says is taken out of it, escapes undone") {
  AuthServerLine line = parse_auth_line(
      "FAIL\t9\tuser=a\001tb\001nc\0011\treason=Account is locked\ttemp");
  CHECK(line.id == 9);
  CHECK(line.user == "a\tb\nc\001");
  CHECK(line.text == "Account is locked");
  CHECK(line.temporary);
  CHECK(parse_auth_line("FAIL\t9\tcode=temp_fail").temporary);
  CHECK_FALSE(parse_auth_line("FAIL\t9\tcode=authzfailed").temporary);
  CHECK(parse_auth_line("OK\t3\tuser=alice\tresp=eA==").user == "alice");
  CHECK(parse_auth_line("CONT\t3\tVXNlcm5hbWU6").text == "VXNlcm5hbWU6");
  line = parse_auth_line("MECH\tscram-sha-256\tdictionary\tactive\tmutual-auth");
  CHECK(line.mechanism ==
        Mechanism{"SCRAM-SHA-256", mechanism_dictionary | mechanism_active |
                                       mechanism_mutual});
}

TEST_CASE("a request has what is known of the session, the response last") {
  AuthStart start;
  start.mechanism = "plain";
  start.service = "smtp";
  CHECK(auth_request(1, start) == "AUTH\t1\tPLAIN\tservice=smtp\tnologin\n");
  start.local_address = "192.0.2.1";
  start.local_port = "587";
  start.remote_address = "192.0.2.9";
  start.remote_port = "unknown";
  start.secured = true;
  start.certificate_name = "a\tb";
  start.server_end_point = "xyz";
  start.initial = "";
  CHECK(auth_request(4294967295u, start) ==
        "AUTH\t4294967295\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.1\t"
        "rip=192.0.2.9\tlport=587\tsecured\tvalid-client-cert\t"
        "cert_username=a\001tb\ttls_server_end_point=eHl6\tresp=\n");
  CHECK(auth_continue(7, "YQ==") == "CONT\t7\tYQ==\n");
  CHECK(auth_cancel(7) == "CANCEL\t7\n");
  CHECK(auth_handshake(99) == "VERSION\t1\t2\nCPID\t99\n");
}

TEST_CASE("a response cannot leave its line") {
  for (const char* good : {"", "YQ==", "YWE=", "+/09azAZ"})
    CHECK(is_base64(good));
  for (const char* bad :
       {" ", "a\tb", "a\nCANCEL\t1", "\x80", "*", "=", "A", "AB", "ABC", "A===",
        "====", "YQ==YQ=="})
    CHECK_FALSE(is_base64(bad));
}

TEST_CASE("security options decide on mechanisms") {
  SaslSettings s;
  s.plain = parse_security_options("noanonymous, noplaintext", nullptr);
  s.tls = parse_security_options("noanonymous", nullptr);
  const Mechanism plain{"PLAIN", mechanism_plaintext};
  const Mechanism anonymous{"ANONYMOUS", mechanism_anonymous};
  const Mechanism scram{"SCRAM-SHA-256", mechanism_dictionary |
                                             mechanism_active |
                                             mechanism_mutual};
  const Mechanism plus{"SCRAM-SHA-256-PLUS",
                       mechanism_mutual | mechanism_channel_binding};
  const Mechanism external{"EXTERNAL", 0};
  SessionMeans none, tls;
  tls.encrypted = true;
  CHECK_FALSE(suits(plain, s, none));
  CHECK(suits(plain, s, tls));
  CHECK_FALSE(suits(anonymous, s, tls));
  CHECK(suits(scram, s, none));
  CHECK_FALSE(suits(plus, s, tls));
  tls.channel_binding = true;
  CHECK(suits(plus, s, tls));
  CHECK_FALSE(suits(external, s, tls));
  tls.client_certificate = true;
  CHECK(suits(external, s, tls));
  CHECK_FALSE(suits({"HIDDEN", mechanism_private}, s, tls));
  s.tls = parse_security_options("mutual_auth", nullptr);
  CHECK_FALSE(suits(plain, s, tls));
  CHECK(suits(scram, s, tls));
  s.tls = parse_security_options("forward_secrecy nodictionary noactive",
                                 nullptr);
  CHECK_FALSE(suits(scram, s, tls));
  std::vector<std::string> unknown;
  parse_security_options("noplaintext noplain", &unknown);
  CHECK(unknown == std::vector<std::string>{"noplain"});
}
