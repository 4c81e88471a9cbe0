#include "common/config/config.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "common/config/check.h"
#include "common/config/lines.h"
#include "common/config/obsolete.h"
#include "common/config/own_networks.h"
#include "common/config/service_parameters.h"
#include "common/config/values.h"

using namespace std::chrono_literals;
using namespace postern::config;

namespace {

Config from(std::string_view text) {
  auto config = Config::parse(text, "/nowhere");
  REQUIRE(config.ok());
  return *config;
}

std::vector<Finding> findings(std::string_view main,
                              std::string_view master = "") {
  auto table = MasterTable::parse(master, "master");
  REQUIRE(table.ok());
  return check(from(main), *table);
}

}  // namespace

TEST_CASE("every row is well-formed and there is one of each name") {
  std::set<std::string_view> names;
  Config config = Config::defaults();
  for (const Row& row : parameters) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    CHECK(!row.purpose.empty());
    CHECK(row.purpose.find('\n') == std::string_view::npos);
    if (row.kind != Kind::raw)
      CHECK(config.try_expand(row.initial).ok());
    CHECK(find_row(row.name) == &row);
  }
  CHECK(config.validate().ok());
  for (const Obsolete& old : obsolete_names) {
    CAPTURE(old.name);
    CHECK((old.successor.empty() || find_row(old.successor)));
  }
}

TEST_CASE("logical lines join continuations over comments and blank lines") {
  auto lines = logical_lines("a = 1,\n# c\n  #d\n\n   2\nb = 3\n");
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].text == "a = 1,   2");
  CHECK(lines[0].first == 1);
  CHECK(lines[0].last == 5);
  CHECK(lines[1].first == 6);
  CHECK(logical_lines("  x = 1\n  y\n").at(0).stray);
}

TEST_CASE("lines that are no settings are refused with their place") {
  auto bad = Config::parse("a = b\nno equals here\n", "/nowhere");
  REQUIRE(!bad.ok());
  CHECK(bad.trouble().text ==
        "/nowhere/main.conf, line 2: missing '=' after attribute name: "
        "\"no equals here\"");
  auto nameless = Config::parse("= b\n", "/nowhere");
  REQUIRE(!nameless.ok());
  CHECK(nameless.trouble().text ==
        "/nowhere/main.conf, line 1: missing attribute name: \"= b\"");
  CHECK(Config::load("/nowhere").trouble().text ==
        "open /nowhere/main.conf: No such file or directory");
  Config twice = from("a = 1\na = 2\n  \n x = 3\n");
  CHECK(twice.warnings().size() == 1);
  CHECK(twice.warnings()[0] ==
        "/nowhere/main.conf, line 2: overriding earlier entry: a=1");
}

TEST_CASE("values have the type of their row") {
  Config config = from(
      "smtpd_helo_required = YES\nsmtpd_timeout = 5m\nqueue_run_delay = 7\n"
      "delay_warning_time = 4\nsmtpd_recipient_limit = 12\n"
      "myhostname = mx.example.org\nluser_relay = $user\n");
  CHECK(config.get<"smtpd_helo_required">());
  CHECK(config.get<"smtpd_timeout">() == 300s);
  CHECK(config.get<"queue_run_delay">() == 7s);
  CHECK(config.get<"delay_warning_time">() == 4h);
  CHECK(config.get<"smtpd_recipient_limit">() == 12);
  CHECK(config.get<"smtpd_hard_error_limit">() == 20);
  CHECK(config.get<"mydestination">() ==
        "mx.example.org, localhost.example.org, localhost");
  CHECK(config.get<"luser_relay">() == "$user");
  CHECK(config.get<"smtp_helo_timeout">() == 300s);
  CHECK(config.get<"postscreen_expansion_filter">().starts_with("\\t"));
  CHECK(config.get<"mydomain">() == "example.org");
  CHECK(config.number("smtpd_recipient_limit", 1) == 12);
  CHECK(config.duration("smtpd_timeout", 1s) == 300s);
  CHECK(config.text("no_such_thing").empty());
  CHECK(config.origin("smtpd_timeout")->line == 2);
  CHECK(!config.origin("smtpd_banner"));
}

TEST_CASE("overrides win, and the original stays as it was") {
  Config config = from("smtpd_banner = one\n");
  Config other = config.with_overrides(
      {{"smtpd_banner", "$service_name"}, {"service_name", "s"},
       {"stress", "yes"}});
  CHECK(other.get<"smtpd_banner">() == "s");
  CHECK(other.get<"smtpd_timeout">() == 10s);
  CHECK(config.get<"smtpd_banner">() == "one");
}

TEST_CASE("parameters of services follow the default of all services") {
  Config config = from(
      "default_destination_concurrency_limit = 7\n"
      "maildrop_destination_recipient_limit = 1\n"
      "slow_destination_rate_delay = 2m\n");
  CHECK(config.number("relay_destination_concurrency_limit", 0) == 7);
  CHECK(config.number("local_destination_concurrency_limit", 0) == 2);
  CHECK(config.number("maildrop_destination_recipient_limit", 0) == 1);
  CHECK(config.duration("slow_destination_rate_delay", 0s) == 120s);
  CHECK(config.duration("uucp_time_limit", 0s) == 1000s);
  auto found = find_service_parameter("my-relay_destination_rate_delay");
  REQUIRE(found);
  CHECK(found->service == "my-relay");
  CHECK(!find_service_parameter("_time_limit"));
}

TEST_CASE("old names work until the new one is set") {
  CHECK(from("fallback_relay = a\n").get<"smtp_fallback_relay">() == "a");
  CHECK(from("virtual_maps = x\n").get<"virtual_alias_maps">() == "x");
  CHECK(from("postscreen_blacklist_action = drop\n")
            .get<"postscreen_denylist_action">() == "drop");
  CHECK(from("smtpd_sasl_application_name = a\n").get<"smtpd_sasl_path">() ==
        "a");
  CHECK(from("smtpd_sasl_application_name = a\nsmtpd_sasl_path = b\n")
            .get<"smtpd_sasl_path">() == "b");
}

TEST_CASE("compatibility_level changes initial values") {
  Config old = from("");
  Config now = from("compatibility_level = 3.6\n");
  CHECK(old.get<"append_dot_mydomain">());
  CHECK(!now.get<"append_dot_mydomain">());
  CHECK(!old.get<"smtputf8_enable">());
  CHECK(now.get<"smtputf8_enable">());
  CHECK(old.get<"smtpd_tls_fingerprint_digest">() == "md5");
  CHECK(now.get<"smtpd_tls_fingerprint_digest">() == "sha256");
  CHECK(now.get<"relay_domains">().empty());
}

TEST_CASE("host and domain names are filled in without going in circles") {
  CHECK(from("mydomain = a.org\n").get<"mydestination">().ends_with(
      "localhost.a.org, localhost"));
  CHECK(!from("myhostname = $mydomain\nmydomain = $myhostname\n")
             .validate()
             .ok());
  CHECK(!from("myhostname = mx.$mydomain\n").get<"myhostname">().empty());
}

TEST_CASE("validate stops at values that do not parse") {
  auto [text, expected] =
      GENERATE(table<std::string, std::string>({
          {"smtpd_recipient_limit = abc",
           "bad numerical configuration: smtpd_recipient_limit = abc "
           "(/nowhere/main.conf, line 1)"},
          {"\nsmtpd_timeout = 3x",
           "parameter smtpd_timeout: bad time value or unit: 3x "
           "(/nowhere/main.conf, line 2)"},
          {"biff = maybe",
           "bad boolean configuration: biff = maybe (/nowhere/main.conf, "
           "line 1)"},
          {"hopcount_limit = 0",
           "invalid hopcount_limit parameter value 0 < 1 "
           "(/nowhere/main.conf, line 1)"},
          {"x_destination_rate_delay = y",
           "parameter x_destination_rate_delay: bad time value or unit: y "
           "(/nowhere/main.conf, line 1)"},
          {"myorigin = ${x",
           "truncated macro reference: \"${x\" in the value of myorigin "
           "(/nowhere/main.conf, line 1)"},
          // The line that is wrong, not an initial value that asks for it.
          {"\nmydomain = $mydomain",
           "unreasonable macro call nesting: \"mydomain\" in the value of "
           "mydomain (/nowhere/main.conf, line 2)"},
      }));
  CAPTURE(text);
  postern::Status status = from(text).validate();
  REQUIRE(!status.ok());
  CHECK(status.trouble().text == expected);
}

TEST_CASE("a comment behind a value of one word is left out, with a warning") {
  auto [text, name, expected] =
      GENERATE(table<std::string, std::string, std::string>({
          {"biff = no # why", "biff", "no"},
          {"smtpd_timeout = 10s\t#why", "smtpd_timeout", "10s"},
          {"smtpd_tls_security_level = may //why", "smtpd_tls_security_level",
           "may"},
          {"myhostname = mx.a.test // why", "myhostname", "mx.a.test"},
          {"smtpd_tls_cert_file=/etc/a.pem #why", "smtpd_tls_cert_file",
           "/etc/a.pem"},
      }));
  CAPTURE(text);
  const Config config = from(text + "\n");
  CHECK(config.raw(name) == expected);
  REQUIRE(config.warnings().size() == 1);
  CHECK(config.warnings()[0] ==
        "/nowhere/main.conf, line 1: " + name + ": taken as \"" + expected +
            "\", without the comment behind it; put comments on lines of "
            "their own");
}

TEST_CASE("what is no comment stays part of the value") {
  auto [text, name, expected] =
      GENERATE(table<std::string, std::string, std::string>({
          {"smtpd_banner = $myhostname # 1", "smtpd_banner",
           "$myhostname # 1"},
          {"mydestination = a #b", "mydestination", "a #b"},
          {"data_directory = /a#b", "data_directory", "/a#b"},
          {"data_directory = //a", "data_directory", "//a"},
          {"biff = #no", "biff", "#no"},
      }));
  CAPTURE(text);
  const Config config = from(text + "\n");
  CHECK(config.raw(name) == expected);
  CHECK(config.warnings().empty());
}

TEST_CASE("durations are numbers with a unit") {
  CHECK(parse_duration("5") == 5s);
  CHECK(parse_duration("5", 'h') == 5h);
  CHECK(parse_duration("2D") == 48h);
  CHECK(parse_duration("1w") == 168h);
  CHECK(parse_duration("5mh") == 5min);
  CHECK(!parse_duration("5m3h"));
  CHECK(!parse_duration("-1s"));
  CHECK(!parse_duration("h"));
  CHECK(!parse_duration("5y"));
  CHECK(!parse_duration("99999999999999999w"));
}

TEST_CASE("the networks of the interfaces follow mynetworks_style") {
  InterfaceAddress v4, v6;
  v4.bytes = {172, 16, 5, 9};
  v4.prefix = 20;
  v6.family = AF_INET6;
  v6.bytes = {0xfd, 0, 1};
  v6.bytes[15] = 7;
  v6.prefix = 60;
  CHECK(networks_of({v4, v6}, "subnet") == "172.16.0.0/20 [fd00:100::]/60");
  CHECK(networks_of({v4, v6}, "host") == "172.16.5.9/32 [fd00:100::7]/128");
  CHECK(networks_of({v4, v4}, "class") == "172.16.0.0/16");
  auto chosen = chosen_addresses({v4, v6}, "172.16.5.9, 127.0.0.1", "ipv4");
  REQUIRE(chosen.size() == 2);
  CHECK(chosen[0].prefix == 20);
  CHECK(chosen_addresses({v4, v6}, "all", "ipv6").size() == 1);
  CHECK(chosen_addresses({v4, v6}, "loopback-only", "all").empty());
}

TEST_CASE("the check finds what an administrator should look at") {
  auto [text, expected] =
      GENERATE(table<std::string, std::string>({
          {"smtpd_baner = x", "unknown parameter: smtpd_baner"},
          {"mydestination = a # comment",
           "the text from '#' on is part of the value, not a comment"},
          {"mydomain = a $mydomain",
           "the value of mydomain refers to itself"},
          {"smtpd_timeout = abc",
           "parameter smtpd_timeout: bad time value or unit: abc"},
          {"milter_header_checks = regexp:/a",
           "milter_header_checks is set, but is not available in this version"},
          {"fallback_relay = a", "obsolete parameter name: fallback_relay"},
          {"relayhost = $nosuch", "undefined parameter: nosuch"},
          {"relayhost = ${nosuch", "truncated macro reference: \"${nosuch\""},
      }));
  CAPTURE(text);
  auto found = findings("compatibility_level = 3.6\n" + text + "\n");
  REQUIRE(!found.empty());
  CHECK(found[0].text == expected);
  CHECK(found[0].line == 2);
}

TEST_CASE("the check is silent about what is right") {
  CHECK(findings("mine = a\nsmtpd_banner = $mine #1\n"
                 "smtpd_restriction_classes = fast\nfast = permit\n"
                 "alias_maps = ldap:people\npeople_server_host = h\n"
                 "relay_destination_concurrency_limit = 3\n"
                 "luser_relay = $user@$domain\n"
                 "biff = no\nsmtpd_milters =\n"
                 "smtpd_tls_security_level = none\n",
                 "smtp inet n - n - - smtpd -o syslog_name=x/$service_name "
                 "-o soft_bounce=${mine?yes}\n")
            .empty());
}

TEST_CASE("the check points at the place and helps") {
  auto found = findings("a = $a\nsmtpd_recipent_limit = 3\n");
  REQUIRE(found.size() == 2);
  CHECK(describe(found[0]) ==
        "/nowhere/main.conf, line 1: the value of a refers to itself\n"
        "     1 | a = $a\n"
        "       |     ^\n"
        "       = a value cannot add to an earlier one; write it out");
  CHECK(found[1].hint == "did you mean smtpd_recipient_limit?");
}

TEST_CASE("rows of the service table are checked with their overrides") {
  auto found = findings("", "smtp inet n - n - - smtpd -o smtpd_timeout=q\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].file == "master");
  CHECK(found[0].text ==
        "parameter smtpd_timeout: bad time value or unit: q");
}

TEST_CASE("rows that ask for a chroot are named once") {
  auto found = findings("", "smtp inet n - y - - smtpd\n"
                            "qmgr unix n - y 300 1 qmgr\n"
                            "cleanup unix n - n - 0 cleanup\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].text == "the chroot column of 2 rows has no effect");
}

TEST_CASE("references are found wherever they stand") {
  CHECK(referenced_names("$a ${b?{$c}} $(d) $$e ${ f } ${{$g} == {x}}") ==
        std::set<std::string>{"a", "b", "c", "d", "f", "g"});
}
