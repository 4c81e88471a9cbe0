#include "smtp/route.h"

#include <catch2/catch.hpp>

namespace postern::smtp {
namespace {

Settings plain() {
  Settings settings;
  settings.myhostname = "mail.here.test";
  settings.ports = {{"submission", 587}};
  settings.own_addresses = {"192.0.2.9"};
  return settings;
}

TEST_CASE("a next hop is a domain, a host, an address or a socket",
          "[smtp][route]") {
  using Kind = NextHop::Kind;
  struct {
    const char* text;
    bool lmtp;
    Kind kind;
    const char* name;
    int port;
  } const cases[] = {
      {"example.com", false, Kind::domain, "example.com", 25},
      {"example.com:2525", false, Kind::domain, "example.com", 2525},
      {"example.com:submission", false, Kind::domain, "example.com", 587},
      {"[mx.example.com]", false, Kind::host, "mx.example.com", 25},
      {"[mx.example.com]:587", false, Kind::host, "mx.example.com", 587},
      {"[192.0.2.1]:26", false, Kind::literal, "192.0.2.1", 26},
      {"[IPv6:2001:db8::1]:26", false, Kind::literal, "2001:db8::1", 26},
      {"[2001:db8::1]", false, Kind::literal, "2001:db8::1", 25},
      {"unix:private/x", true, Kind::socket, "private/x", 0},
      {"inet:box.test:24", true, Kind::host, "box.test", 24},
      {"inet:[127.0.0.1]:24", true, Kind::literal, "127.0.0.1", 24},
      {"box.test", true, Kind::host, "box.test", 25},
      {"127.0.0.1:24", true, Kind::literal, "127.0.0.1", 24},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    Settings settings = plain();
    settings.lmtp = c.lmtp;
    const Result<NextHop> hop = parse_next_hop(c.text, settings);
    REQUIRE(hop);
    CHECK(hop->kind == c.kind);
    CHECK(hop->name == c.name);
    CHECK(hop->port == c.port);
  }
}

TEST_CASE("a malformed next hop defers with a reason", "[smtp][route]") {
  for (const char* text : {"", "[", "[]", "[a", "a:", ":25", "[a]25",
                           "a:nosuchservice", "a:0", "a:65536", "a:b:c"}) {
    CAPTURE(text);
    const Result<NextHop> hop = parse_next_hop(text, plain());
    REQUIRE_FALSE(hop);
    CHECK(hop.trouble().status() == "4.3.5");
  }
}

std::vector<std::string> hosts(const Routes& routes) {
  std::vector<std::string> out;
  for (const Target& target : routes.targets) out.push_back(target.host);
  return out;
}

std::size_t first(std::size_t) { return 0; }
std::size_t unmoved(std::size_t limit) { return limit - 1; }

TEST_CASE("hosts are tried by preference, in random order within one",
          "[smtp][route]") {
  const NextHop hop{NextHop::Kind::domain, "example.com", 25};
  const std::vector<ipc::HostAddress> found = {
      {"a", "192.0.2.1", 10}, {"b", "192.0.2.2", 10}, {"c", "192.0.2.3", 5}};
  using Names = std::vector<std::string>;
  CHECK(hosts(*arrange(found, hop, plain(), unmoved)) == Names{"c", "a", "b"});
  CHECK(hosts(*arrange(found, hop, plain(), first)) == Names{"c", "b", "a"});
  const Result<Routes> routes = arrange(found, hop, plain(), unmoved);
  CHECK(routes->targets[0].best_mx);
  CHECK_FALSE(routes->targets[1].best_mx);
  CHECK_FALSE(routes->we_are_mx);
}

TEST_CASE("protocols that are off are left out, the preferred one goes first",
          "[smtp][route]") {
  const NextHop hop{NextHop::Kind::host, "example.com", 25};
  const std::vector<ipc::HostAddress> found = {{"four", "192.0.2.1", 0},
                                               {"six", "2001:db8::1", 0}};
  using Names = std::vector<std::string>;
  Settings settings = plain();
  settings.preference = AddressPreference::ipv6;
  CHECK(hosts(*arrange(found, hop, settings, unmoved)) == Names{"six", "four"});
  settings.preference = AddressPreference::ipv4;
  CHECK(hosts(*arrange(found, hop, settings, unmoved)) == Names{"four", "six"});
  settings.ipv6 = false;
  CHECK(hosts(*arrange(found, hop, settings, unmoved)) == Names{"four"});
  settings.ipv4 = false;
  CHECK_FALSE(arrange(found, hop, settings, unmoved));
}

TEST_CASE("mail is never sent to ourselves or to those behind us",
          "[smtp][route]") {
  const NextHop hop{NextHop::Kind::domain, "example.com", 25};
  using Names = std::vector<std::string>;
  const std::vector<ipc::HostAddress> backup = {{"best", "192.0.2.1", 5},
                                                {"me", "192.0.2.9", 10},
                                                {"peer", "192.0.2.3", 10},
                                                {"worse", "192.0.2.4", 20}};
  const Result<Routes> routes = arrange(backup, hop, plain(), unmoved);
  REQUIRE(routes);
  CHECK(hosts(*routes) == Names{"best"});
  CHECK(routes->we_are_mx);

  const Result<Routes> loop =
      arrange({{"me", "192.0.2.9", 10}, {"worse", "192.0.2.4", 20}}, hop,
              plain(), unmoved);
  REQUIRE_FALSE(loop);
  CHECK(loop.trouble().status() == "5.4.6");
  CHECK(loop.trouble().text == "mail for example.com loops back to myself");

  const Result<Routes> named =
      arrange({{"MAIL.here.test", "198.51.100.1", 10}}, hop, plain(), unmoved);
  CHECK_FALSE(named);

  // A content filter on this machine is no loop.
  const NextHop filter{NextHop::Kind::literal, "192.0.2.9", 10026};
  CHECK(arrange({{"x", "192.0.2.9", 0}}, filter, plain(), unmoved));
}

TEST_CASE("the protocol in the minority gets its share of the first places",
          "[smtp][route]") {
  const auto make = [](const std::vector<std::string>& addresses) {
    std::vector<Target> out;
    for (const std::string& one : addresses) out.push_back({"h", one, 25});
    return out;
  };
  const auto addresses = [](const std::vector<Target>& targets) {
    std::vector<std::string> out;
    for (const Target& target : targets) out.push_back(target.address);
    return out;
  };
  std::vector<Target> targets =
      make({"::1", "::2", "::3", "::4", "1.1.1.1", "1.1.1.2", "1.1.1.3"});
  balance(targets, 4);
  const auto order = addresses(targets);
  CHECK(order[0] == "::1");
  CHECK(order[1] == "::2");
  CHECK(std::count_if(order.begin(), order.begin() + 4, [](const auto& a) {
          return a.find('.') != std::string::npos;
        }) == 2);

  targets = make({"::1", "1.1.1.1"});
  balance(targets, 5);
  CHECK(addresses(targets) == std::vector<std::string>{"::1", "1.1.1.1"});
}

}  // namespace
}  // namespace postern::smtp
