#include "common/config/endpoints.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::config;

namespace {

std::vector<std::string> granted(const std::string& settings,
                                 std::string_view program) {
  const auto config =
      Config::parse("queue_directory = /queue\n" + settings, "/nonexistent");
  REQUIRE(config);
  std::vector<std::string> texts;
  for (const Endpoint& each : granted_endpoints(*config, program))
    texts.push_back(each.text());
  return texts;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("endpoints have many spellings and one meaning") {
  struct Case {
    const char* text;
    Bare bare;
    const char* meaning;  // "" none
  };
  const Case cases[] = {
      {"private/auth", Bare::path, "unix:/queue/private/auth"},
      {"/run/auth", Bare::path, "unix:/run/auth"},
      {"unix:private/auth", Bare::nothing, "unix:/queue/private/auth"},
      {"local:/run/milter", Bare::nothing, "unix:/run/milter"},
      {"inet:127.0.0.1:12345", Bare::path, "inet:[127.0.0.1]:12345"},
      {"inet:[::1]:12345", Bare::path, "inet:[::1]:12345"},
      {"inet:8891@localhost", Bare::nothing, "inet:[localhost]:8891"},
      {"inet:8891", Bare::nothing, "inet:[localhost]:8891"},
      {"host.test:smtp", Bare::host, "inet:[host.test]:smtp"},
      {"10025", Bare::host, "inet:[localhost]:10025"},
      {" unix:x ", Bare::host, "unix:/queue/x"},
      {"host.test:smtp", Bare::nothing, ""},
      {"private/auth", Bare::nothing, ""},
      {"", Bare::path, ""},
      {"", Bare::host, ""},
      {"unix:", Bare::path, ""},
      {"inet:", Bare::path, ""},
      {"inet:host.test:", Bare::path, ""},
      {"inet:a b:1", Bare::path, ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto endpoint = parse_endpoint(c.text, "/queue", c.bare);
    CHECK((endpoint ? endpoint->text() : "") == c.meaning);
  }
}

TEST_CASE("a row grants what it names and nothing else") {
  CHECK(granted("", "smtpd").empty());
  const std::string dovecot =
      "smtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n";
  CHECK(granted(dovecot, "smtpd").empty());
  CHECK(granted(dovecot + "smtpd_sasl_auth_enable = yes\n", "smtpd") ==
        Texts{"unix:/queue/private/auth"});
  CHECK(granted(dovecot + "smtpd_sasl_auth_enable = yes\n", "cleanup").empty());
  CHECK(granted("smtpd_sasl_auth_enable = yes\nsmtpd_sasl_path = smtpd\n",
                "smtpd")
            .empty());
  CHECK(granted("smtpd_recipient_restrictions = reject_unauth_destination,\n"
                "  check_policy_service { inet:127.0.0.1:9998, timeout=10s },\n"
                "  check_policy_service unix:private/policy, mine\n"
                "smtpd_restriction_classes = mine\n"
                "mine = check_policy_service inet:policy.test:10\n",
                "smtpd") == Texts{"inet:[127.0.0.1]:9998",
                                  "unix:/queue/private/policy",
                                  "inet:[policy.test]:10"});
  CHECK(granted("smtpd_milters = inet:localhost:8891, { unix:/run/m, "
                "connect_timeout=5s }, inet:localhost:8891\n",
                "smtpd") == Texts{"inet:[localhost]:8891", "unix:/run/m"});
  CHECK(granted("non_smtpd_milters = unix:/run/m\n", "cleanup") ==
        Texts{"unix:/run/m"});
  CHECK(granted("non_smtpd_milters = unix:/run/m\n", "smtpd").empty());
  CHECK(granted("smtpd_proxy_filter = 127.0.0.1:10025\n", "smtpd") ==
        Texts{"inet:[127.0.0.1]:10025"});
}
