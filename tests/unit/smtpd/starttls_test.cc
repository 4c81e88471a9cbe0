// What a session says about TLS before there is any, and what certificates of
// clients are good for. Handshakes: tests/unit/common/tls, tests/system.
#include <catch2/catch.hpp>

#include "tests/unit/smtpd/harness.h"

using namespace postern;
using namespace postern::smtpd;
using namespace postern::smtpd::test;
using Catch::Contains;

namespace {

constexpr const char* ehlo = "EHLO client.test\r\n";

config::Config configured(const std::string& lines) {
  auto config = config::Config::parse(
      "compatibility_level = 3.6\nmynetworks = 192.0.2.0/24\n" + lines,
      "/nonexistent");
  REQUIRE(config.ok());
  return std::move(*config);
}

// What the client stage says to a client with such a certificate.
std::string judged(const std::string& restriction,
                   std::shared_ptr<const tls::Facts> connection,
                   const std::map<std::string, std::string>& table) {
  Loop loop;
  const log::Log log("test");
  FakeSurroundings around;
  around.table = table;
  smtpd::Facts facts;
  facts.client.name = "c.test";
  facts.client.address = "198.51.100.1";
  facts.tls = std::move(connection);
  auto settings = Settings::read(
      configured("smtpd_client_restrictions = " + restriction +
                 "\nrelay_clientcerts = hash:/certs\n"), log);
  Access access(log, facts, around);
  access.use(&settings);
  std::string answer = "nothing";
  struct Run {
    static Task<void> go(Access* access, std::string* answer) {
      Refusal refused = co_await access->client();
      *answer = refused.value_or("permitted");
    }
  };
  Nursery nursery;
  nursery.start(Run::go(&access, &answer));
  loop.run_until([&] { return nursery.empty(); });
  return answer;
}

std::shared_ptr<const tls::Facts> with_certificate(bool trusted) {
  auto facts = std::make_shared<tls::Facts>();
  facts->peer.present = true;
  facts->peer.trusted = trusted;
  facts->peer.fingerprint = "AA:01";
  facts->peer.key_fingerprint = "BB:02";
  return facts;
}

}  // namespace

TEST_CASE("STARTTLS is there when it is configured") {
  {
    Harness h;
    h.hear();
    CHECK_THAT(h.say(ehlo), !Contains("STARTTLS"));
    CHECK(h.say("STARTTLS\r\n") ==
          "502 5.5.1 Error: command not implemented\n");
  }
  Harness h("smtpd_tls_security_level = may\n");
  h.hear();
  CHECK_THAT(h.say(ehlo), Contains("250-ETRN\n250-STARTTLS\n250-ENHANCED"));
  CHECK(h.say("STARTTLS now\r\n") == "501 5.5.4 Syntax: STARTTLS\n");
  // These surroundings have no certificate.
  CHECK(h.say("STARTTLS\r\n") ==
        "454 4.7.0 TLS not available due to local problem\n");
  CHECK(h.say("MAIL FROM:<a@client.test>\r\n") == "250 2.1.0 Ok\n");
}

TEST_CASE("an EHLO keyword that is discarded is not understood either") {
  Harness h("smtpd_tls_security_level = may\n"
            "smtpd_discard_ehlo_keywords = starttls\n");
  h.hear();
  CHECK_THAT(h.say(ehlo), !Contains("STARTTLS"));
  CHECK(h.say("STARTTLS\r\n") == "502 5.5.1 Error: command not implemented\n");
}

TEST_CASE("where TLS is required nothing else goes before it") {
  for (const char* level : {"smtpd_tls_security_level = encrypt\n",
                            "smtpd_enforce_tls = yes\n"}) {
    CAPTURE(level);
    Harness h(level);
    h.hear();
    CHECK(h.say("NOOP\r\n") == "250 2.0.0 Ok\n");
    CHECK_THAT(h.say(ehlo), Contains("STARTTLS"));
    for (const char* command :
         {"MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA", "RSET", "VRFY x",
          "ETRN x.test"}) {
      CAPTURE(command);
      CHECK(h.say(command + std::string("\r\n")) ==
            "530 5.7.0 Must issue a STARTTLS command first\n");
    }
    CHECK(h.say("QUIT\r\n") == "221 2.0.0 Bye\n");
  }
}

TEST_CASE("an old switch offers TLS, and a level overrides it") {
  struct Case {
    const char* lines;
    bool offered, required;
  };
  const Case cases[] = {
      {"", false, false},
      {"smtpd_use_tls = yes\n", true, false},
      {"smtpd_enforce_tls = yes\n", true, true},
      {"smtpd_use_tls = yes\nsmtpd_tls_security_level = none\n", false, false},
      {"smtpd_tls_security_level = may\n", true, false},
      {"smtpd_tls_security_level = encrypt\n", true, true},
      {"smtpd_tls_security_level = secure\n", true, true},
      {"smtpd_tls_wrappermode = yes\n", true, true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.lines);
    const auto s = tls::ServerSettings::read(configured(c.lines));
    CHECK(s.offered == c.offered);
    CHECK(s.required == c.required);
  }
}

TEST_CASE("a wrong value keeps TLS from being offered, and says why") {
  struct Case {
    const char *line, *words;
  };
  const Case cases[] = {
      {"smtpd_tls_protocols = TLSv9", "smtpd_tls_protocols: \"TLSv9\""},
      {"smtpd_tls_ciphers = best", "smtpd_tls_ciphers: \"best\""},
      {"tls_ssl_options = NO_SUCH", "tls_ssl_options: \"NO_SUCH\""},
      {"smtpd_tls_fingerprint_digest = md9", "smtpd_tls_fingerprint_digest"},
      {"tls_session_ticket_cipher = rot13", "tls_session_ticket_cipher"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    const auto s = tls::ServerSettings::read(configured(
        "smtpd_tls_security_level = may\n" + std::string(c.line) + "\n"));
    CHECK_THAT(s.fault, Contains(c.words));
  }
}

TEST_CASE("certificates of clients permit and refuse") {
  struct Case {
    const char* restriction;
    bool present, trusted;
    std::map<std::string, std::string> table;
    const char* answer;
  };
  const char* denied =
      "554 5.7.1 <c.test[198.51.100.1]>: Client host rejected: Access denied";
  const Case cases[] = {
      {"permit_tls_all_clientcerts, reject", true, true, {}, "permitted"},
      {"permit_tls_all_clientcerts, reject", true, false, {}, denied},
      {"permit_tls_all_clientcerts, reject", false, false, {}, denied},
      {"permit_tls_clientcerts, reject", true, false, {{"AA:01", "x"}},
       "permitted"},
      {"permit_tls_clientcerts, reject", true, false, {{"BB:02", "x"}},
       "permitted"},
      {"permit_tls_clientcerts, reject", true, true, {{"CC:03", "x"}}, denied},
      {"permit_tls_clientcerts, reject", false, false, {{"AA:01", "x"}},
       denied},
      {"check_ccert_access hash:/t, reject", true, false, {{"AA:01", "OK"}},
       "permitted"},
      {"check_ccert_access hash:/t", true, false, {{"BB:02", "REJECT"}},
       "554 5.7.1 <c.test[198.51.100.1]>: Client certificate rejected: Access "
       "denied"},
      {"check_ccert_access { hash:/t { search_order = cert_fingerprint } }",
       true, false, {{"BB:02", "REJECT"}}, "permitted"},
      {"check_ccert_access {hash:/t, {search_order=pubkey_fingerprint}}", true,
       false, {{"BB:02", "REJECT"}},
       "554 5.7.1 <c.test[198.51.100.1]>: Client certificate rejected: Access "
       "denied"},
      {"check_ccert_access { hash:/t { search_order = colour } }", true, false,
       {}, "451 4.3.5 Server configuration error"},
      {"check_ccert_access hash:/t", false, false, {{"AA:01", "REJECT"}},
       "permitted"},
      {"reject_plaintext_session", true, false, {}, "permitted"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.restriction, c.present, c.trusted);
    auto facts = c.present ? with_certificate(c.trusted)
                           : std::make_shared<const tls::Facts>();
    CHECK(judged(c.restriction, facts, c.table) == c.answer);
  }
}
