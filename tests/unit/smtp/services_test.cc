#include "smtp/services.h"

#include <map>

#include "tests/unit/smtp/delivery_world.h"

namespace postern::smtp {
namespace {

using test::FakeResolver;
using Names = std::vector<std::string>;

Names hosts(const std::vector<ServiceRecord>& records) {
  Names out;
  for (const ServiceRecord& each : records) out.push_back(each.host);
  return out;
}

TEST_CASE("a service record has priority, weight, port and host",
          "[smtp][services]") {
  const auto record = parse_service("10 60 587 mail.example.com.");
  REQUIRE(record);
  CHECK(record->priority == 10);
  CHECK(record->weight == 60);
  CHECK(record->port == 587);
  CHECK(record->host == "mail.example.com");
  CHECK(parse_service("0 0 0 .")->host.empty());
  for (const char* text :
       {"", "10 60 587", "10 60 587 a. b.", "-1 0 25 a.", "0 65536 25 a.",
        "0 0 0 a.", "0 0 x a.", "0 0 25 -a-."}) {
    CAPTURE(text);
    CHECK_FALSE(parse_service(text));
  }
}

TEST_CASE("services go by priority, and within one by weighted lot",
          "[smtp][services]") {
  const std::vector<ServiceRecord> records = {{20, 5, 25, "late"},
                                              {10, 3, 25, "three"},
                                              {10, 0, 25, "zero"},
                                              {10, 7, 25, "seven"}};
  // The tickets of priority 10: none for zero, 1 to 3, 4 to 10.
  struct {
    std::size_t draw;
    const char* first;
  } const cases[] = {{0, "zero"}, {1, "three"}, {3, "three"}, {4, "seven"},
                     {10, "seven"}};
  for (const auto& each : cases) {
    CAPTURE(each.draw);
    bool drawn = false;
    const Names order =
        hosts(in_order(records, [&](std::size_t limit) -> std::size_t {
          if (drawn) return 0;
          drawn = true;
          CHECK(limit == 11);
          return each.draw;
        }));
    CHECK(order.front() == each.first);
    CHECK(order.back() == "late");
  }
}

struct Found {
  std::optional<Result<Routes>> routes;
  Names asked;
};

Task<void> find(const Settings* settings, FakeResolver* resolver,
                std::string next_hop, Found* out) {
  Result<NextHop> hop = parse_next_hop(next_hop, *settings);
  REQUIRE(hop);
  NextHop where = std::move(*hop);
  std::string notice;
  Result<Routes> routes =
      co_await find_routes(std::move(where), *settings, *resolver, notice);
  out->routes = std::move(routes);
  out->asked = resolver->asked;
}

Found look_up(const Settings& settings, FakeResolver& resolver,
              const std::string& next_hop) {
  Loop loop;
  Found found;
  Nursery nursery;
  nursery.start(find(&settings, &resolver, next_hop, &found));
  loop.run_until([&] { return found.routes.has_value(); });
  return found;
}

Settings with_services() {
  Settings settings;
  settings.ports = {{"submission", 587}, {"smtp", 25}};
  settings.srv_services = {"submission"};
  return settings;
}

TEST_CASE("hosts and ports of a service come from its records",
          "[smtp][services]") {
  FakeResolver resolver;
  resolver.dns.status = "ok";
  resolver.dns.records = {"20 0 2587 b.test.", "10 0 1587 a.test."};
  resolver.answer.addresses = {{"h", "192.0.2.1", 0}};
  const Found found =
      look_up(with_services(), resolver, "example.com:submission");
  REQUIRE(*found.routes);
  const std::vector<Target>& targets = (*found.routes)->targets;
  REQUIRE(targets.size() == 2);
  CHECK(targets[0].port == 1587);
  CHECK(targets[0].best_mx);
  CHECK(targets[1].port == 2587);
  CHECK_FALSE(targets[1].best_mx);
  CHECK(found.asked ==
        Names{"_submission._tcp.example.com", "a.test", "b.test"});
  // Other services, and hosts in brackets, are looked up as ever.
  for (const char* other : {"example.com", "example.com:smtp",
                            "[example.com]:submission"}) {
    CAPTURE(other);
    FakeResolver plain;
    plain.answer.addresses = resolver.answer.addresses;
    CHECK(look_up(with_services(), plain, other).asked ==
          Names{"example.com"});
  }
}

TEST_CASE("without records, or an answer, the parameters decide",
          "[smtp][services]") {
  struct {
    const char* status;
    bool fall_back, ignore;
    const char* outcome;
  } const cases[] = {
      {"nxdomain", false, false, "5.4.4"}, {"nodata", false, true, "5.4.4"},
      {"nxdomain", true, false, "found"},  {"servfail", false, false, "4.4.3"},
      {"timeout", true, false, "4.4.3"},   {"servfail", false, true, "found"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.status, each.fall_back, each.ignore);
    Settings settings = with_services();
    settings.srv_fallback = each.fall_back;
    settings.ignore_srv_error = each.ignore;
    FakeResolver resolver;
    resolver.dns.status = each.status;
    resolver.answer.addresses = {{"h", "192.0.2.1", 0}};
    const Found found =
        look_up(settings, resolver, "example.com:submission");
    CHECK((*found.routes ? "found" : found.routes->trouble().status()) ==
          each.outcome);
  }
  FakeResolver refused;
  refused.dns.status = "ok";
  refused.dns.records = {"0 0 0 ."};
  const Found found =
      look_up(with_services(), refused, "example.com:submission");
  REQUIRE_FALSE(*found.routes);
  CHECK(found.routes->trouble().status() == "5.4.4");
}

TEST_CASE("an MX lookup that fails may be passed over", "[smtp][services]") {
  struct Failing : FakeResolver {
    Task<Result<ipc::MailHostsAnswer>> hosts(
        ipc::MailHostsFind question) override {
      ipc::MailHostsAnswer out;
      if (question.use_mx)
        out.trouble = ipc::TroubleWire::from(try_later("4.3", "no answer"));
      else
        out.addresses = {{"h", "192.0.2.1", 0}};
      co_return std::move(out);
    }
  } resolver;
  Settings settings = with_services();
  CHECK(look_up(settings, resolver, "x.test").routes->trouble().status() ==
        "4.4.3");
  settings.ignore_mx_error = true;
  CHECK(look_up(settings, resolver, "x.test").routes->ok());
}

}  // namespace
}  // namespace postern::smtp
