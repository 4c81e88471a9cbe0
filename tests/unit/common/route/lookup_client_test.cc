#include "common/route/lookup_client.h"

#include <catch2/catch.hpp>

namespace postern::route {
namespace {

template <class T>
Task<void> keep(Task<T> task, std::optional<T>* out) {
  T value = co_await std::move(task);
  out->emplace(std::move(value));
}

template <class T>
T get(Task<T> task) {
  std::optional<T> out;
  Nursery nursery;
  nursery.start(keep(std::move(task), &out));
  Loop::current().run_until([&] { return nursery.empty(); });
  return std::move(*out);
}

TEST_CASE("preloaded tables answer without the lookup service") {
  Loop loop;
  LookupClient client;
  const std::string maps = "inline:{b=1}, inline:{a=2 b=3} regexp:{{/c/ 4}}";
  REQUIRE(client.preload(maps).ok());
  auto value = get(client.find(maps, "A"));
  REQUIRE(value.ok());
  CHECK(*value == "2");
  value = get(client.find(maps, "x"));
  REQUIRE(value.ok());
  CHECK_FALSE(value->has_value());
  // A list made of tables that are at hand from other lists.
  value = get(client.find("inline:{a=2 b=3}", "b"));
  REQUIRE(value.ok());
  CHECK(*value == "3");

  auto first = get(client.find_first(maps, {"x", "b"}, 1));
  REQUIRE(first.ok());
  CHECK(first->key == 1);
  CHECK(first->value == "1");
  CHECK(first->table == "inline:{b=1}");
  // A part of an address is not for tables of patterns.
  CHECK_FALSE(get(client.find_first(maps, {"x", "c"}, 1))->found);
  CHECK(get(client.find_first(maps, {"x", "c"}, 2))->found);
}

TEST_CASE("an empty list knows nothing") {
  Loop loop;
  LookupClient client;
  auto value = get(client.find(" ", "a"));
  REQUIRE(value.ok());
  CHECK_FALSE(value->has_value());
}

TEST_CASE("what was not preloaded must be asked for, and silence is trouble") {
  Loop loop;
  LookupClient client;
  const std::string maps =
      "inline:{a=b}, hash:/nonexistent, proxy:inline:{a=c}";
  REQUIRE(client.preload(maps).ok());
  CHECK(*get(client.find("inline:{a=b}", "a")).value() == "b");
  // Order counts: the whole list goes to the service.
  CHECK_FALSE(get(client.find(maps, "a")).ok());
  CHECK_FALSE(get(client.find("inline:{new=1}", "new")).ok());
  CHECK_FALSE(get(client.find("proxy:inline:{a=c}", "a")).ok());
  CHECK_FALSE(get(client.user("root")).ok());
  CHECK_FALSE(get(client.anvil("connect", "smtp:x")).ok());
  CHECK(get(client.mail_hosts({})).trouble.present);
  const ipc::ClientNameAnswer name = get(client.client_name("192.0.2.1"));
  CHECK(name.name == "unknown");
  CHECK(name.name_code == 4);
  CHECK(get(client.dns("a.test", "A")).status == "servfail");
}

TEST_CASE("a memory table that does not open is trouble") {
  Loop loop;
  std::vector<std::string> lines;
  LookupClient client([&](std::string_view line) { lines.emplace_back(line); });
  const std::string maps = "inline:{a=b}, inline:{bad}";
  REQUIRE(client.preload(maps).ok());
  CHECK(lines.size() == 1);
  CHECK(get(client.find(maps, "a")).ok());
  CHECK_FALSE(get(client.find(maps, "x")).ok());
  CHECK_FALSE(client.preload("inline:{a=b").ok());
}

}  // namespace
}  // namespace postern::route
