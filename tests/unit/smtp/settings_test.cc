#include "smtp/settings.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::smtp;

namespace {

Settings settings(const std::string& main, bool lmtp = false) {
  Result<config::Config> config = config::Config::parse(main, "/nowhere");
  REQUIRE(config);
  Result<Settings> read = read_settings(*config, lmtp);
  REQUIRE(read);
  return *read;
}

}  // namespace

TEST_CASE("addresses are logged as info_log_address_format says") {
  CHECK(settings("").external_addresses);
  CHECK(settings("info_log_address_format = external\n").external_addresses);
  CHECK_FALSE(
      settings("info_log_address_format = internal\n").external_addresses);
}

TEST_CASE("a row of lmtp reads the parameters that begin with lmtp_") {
  const std::string main = "smtp_rcpt_timeout = 7s\nlmtp_rcpt_timeout = 9s\n";
  CHECK(settings(main).limits.rcpt == Seconds(7));
  CHECK(settings(main, true).limits.rcpt == Seconds(9));
}

TEST_CASE("a limit can be for all of a request, and the rate that goes along") {
  CHECK_FALSE(settings("").limits.together);
  const std::string main = "smtp_per_request_deadline = yes\n"
                           "smtp_min_data_rate = 100\n"
                           "lmtp_min_data_rate = 200\n";
  CHECK(settings(main).limits.together);
  CHECK(settings(main).limits.data_rate == 100);
  CHECK_FALSE(settings(main, true).limits.together);
  CHECK(settings(main, true).limits.data_rate == 200);
  // The name of Postfix before 3.7.
  CHECK(settings("smtp_per_record_deadline = yes\n").limits.together);
}

TEST_CASE("TLS levels come from one parameter, or from those before it") {
  struct Case {
    const char* main;
    TlsLevel level;
  };
  const Case cases[] = {
      {"", TlsLevel::none},
      {"smtp_use_tls = yes\n", TlsLevel::may},
      {"smtp_enforce_tls = yes\n", TlsLevel::verify},
      {"smtp_enforce_tls = yes\nsmtp_tls_enforce_peername = no\n",
       TlsLevel::encrypt},
      {"smtp_tls_security_level = may\nsmtp_enforce_tls = yes\n",
       TlsLevel::may},
      {"smtp_tls_security_level = dane-only\n", TlsLevel::dane_only},
      {"lmtp_tls_security_level = secure\n", TlsLevel::none},
  };
  for (const Case& c : cases) {
    CAPTURE(c.main);
    CHECK(settings(c.main).tls.level == c.level);
  }
  CHECK(settings("lmtp_tls_security_level = secure\n", true).tls.level ==
        TlsLevel::secure);
}

TEST_CASE("words that are none of a parameter's are told, not guessed") {
  const std::pair<const char*, const char*> cases[] = {
      {"smtp_tls_security_level = always\n", "smtp_tls_security_level"},
      {"smtp_tls_per_site = hash:/etc/postern/sites\n", "smtp_tls_policy_maps"},
      {"smtp_tls_dane_insecure_mx_policy = none\n",
       "smtp_tls_dane_insecure_mx_policy"},
      {"smtp_dns_support_level = yes\n", "smtp_dns_support_level"},
      {"smtp_host_lookup = hosts\n", "smtp_host_lookup"},
      {"smtp_sasl_auth_enable = yes\n", "smtp_sasl_password_maps"},
      {"smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = hash:/x\n"
       "smtp_sasl_type = dovecot\n",
       "smtp_sasl_type"},
      {"smtp_sasl_tls_security_options = safe\n",
       "smtp_sasl_tls_security_options"},
  };
  for (const auto& [main, named] : cases) {
    CAPTURE(main);
    const auto config = config::Config::parse(main, "/nowhere");
    REQUIRE(config);
    const auto read = read_settings(*config, false);
    REQUIRE_FALSE(read);
    CHECK(read.trouble().text.find(named) != std::string::npos);
  }
}

TEST_CASE("DNSSEC is asked for where the level of DNS support says so") {
  CHECK_FALSE(settings("").use_dnssec);
  CHECK(settings("smtp_dns_support_level = dnssec\n").use_dnssec);
  CHECK_FALSE(settings("smtp_dns_support_level = dnssec\n"
                       "smtp_host_lookup = native\n")
                  .use_dnssec);
  CHECK_FALSE(settings("smtp_dns_support_level = disabled\n").use_dns);
}

TEST_CASE("what must be said of mechanisms is read from the filter") {
  const std::string on =
      "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = hash:/x\n";
  CHECK_FALSE(settings(on).sasl.filter);
  CHECK_FALSE(settings(on + "smtp_sasl_mechanism_filter = !xoauth2, plain\n")
                  .sasl.filter_names_tokens);
  CHECK(settings(on + "smtp_sasl_mechanism_filter = XOAUTH2\n")
            .sasl.filter_names_tokens);
  CHECK(settings(on).sasl.plain.no_plaintext);
  CHECK(settings(on + "smtp_sasl_security_options =\n").sasl.tls ==
        SecurityOptions());
}
