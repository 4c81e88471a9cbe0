#include "master/endpoints.h"

#include <catch2/catch.hpp>

namespace postern::master {
namespace {

using Names = std::vector<std::string>;

// The addresses, or the trouble's text.
Names endpoints(const std::string& service, const std::string& main) {
  const auto table = config::MasterTable::parse(
      service + " inet n - n - - smtpd\n", "master.conf");
  REQUIRE(table);
  const auto config = config::Config::parse(main, "/etc/postern");
  REQUIRE(config);
  const auto found = endpoints_of(table->rows().at(0), *config);
  if (!found) return {found.trouble().text};
  Names names;
  for (const Endpoint& each : *found) names.push_back(each.text);
  return names;
}

}  // namespace

TEST_CASE("An inet row names addresses by itself or by inet_interfaces") {
  struct Case {
    const char* service;
    const char* main;
    Names expected;
  };
  const Case cases[] = {
      {"2525", "inet_protocols = ipv4\n", {"0.0.0.0:2525"}},
      {"2525", "inet_protocols = ipv6\n", {"[::]:2525"}},
      {"2525", "", {"0.0.0.0:2525", "[::]:2525"}},
      {"2525", "inet_protocols = ipv4, ipv6\n", {"0.0.0.0:2525", "[::]:2525"}},
      {"2525",
       "inet_interfaces = loopback-only\ninet_protocols = ipv4\n",
       {"127.0.0.1:2525"}},
      {"2525", "inet_interfaces = 127.0.0.1\n", {"127.0.0.1:2525"}},
      {"127.0.0.1:2525", "inet_interfaces = all\n", {"127.0.0.1:2525"}},
      {"[::1]:2525", "", {"[::1]:2525"}},
      {"[127.0.0.2]:2525", "", {"127.0.0.2:2525"}},
      {"smtp", "inet_protocols = ipv4\n", {"0.0.0.0:25"}},
      {"submissions", "inet_protocols = ipv4\n", {"0.0.0.0:465"}},
      {"127.0.0.1:submission", "", {"127.0.0.1:587"}},
      {"mine",
       "known_tcp_ports = a=1, mine=other=4711\ninet_protocols = ipv4\n",
       {"0.0.0.0:4711"}},
      {"nosuchservice", "", {"unknown service: nosuchservice/tcp"}},
      {"0", "", {"bad port number: 0"}},
      {"65536", "", {"bad port number: 65536"}},
  };
  for (const Case& each : cases) {
    CAPTURE(each.service, each.main);
    CHECK(endpoints(each.service, each.main) == each.expected);
  }
}

TEST_CASE("A host that is none is named in the trouble") {
  CHECK(endpoints("256.0.0.1:25", "").at(0).find(
            "bad hostname or network address: 256.0.0.1") == 0);
}

TEST_CASE("Protocols are read as a list") {
  const std::pair<const char*, std::pair<bool, bool>> cases[] = {
      {"all", {true, true}},        {"ipv4", {true, false}},
      {"IPv6", {false, true}},      {"ipv4, ipv6", {true, true}},
      {"ipv6 ipv4", {true, true}},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    const Protocols protocols = protocols_of(text);
    CHECK(protocols.ipv4 == expected.first);
    CHECK(protocols.ipv6 == expected.second);
  }
}

}  // namespace postern::master
