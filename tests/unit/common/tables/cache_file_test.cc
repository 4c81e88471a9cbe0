// Caches that survive restarts; damage is tested with lookup's verifier.
#include "common/tables/cache_file.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::tables;

TEST_CASE("a cache keeps, replaces and forgets") {
  auto cache = CacheFile::open("", [](const std::string&) {});
  REQUIRE(cache);
  CHECK_FALSE(cache->get("a").value());
  REQUIRE(cache->put("a", "1"));
  REQUIRE(cache->put("a", "2"));
  REQUIRE(cache->put("b", "x\ny"));
  CHECK(cache->get("a").value() == "2");
  CHECK(cache->get("b").value() == "x\ny");
  const auto counts = cache->clean(
      [](std::string_view key, std::string_view) { return key == "a"; });
  REQUIRE(counts);
  CHECK(counts->kept == 1);
  CHECK(counts->dropped == 1);
  CHECK_FALSE(cache->get("a").value());
  REQUIRE(cache->remove("b"));
  CHECK_FALSE(cache->get("b").value());
}

TEST_CASE("a cache that cannot be made says where") {
  const auto cache =
      CacheFile::open("/nonexistent/c.db", [](const std::string&) {});
  REQUIRE_FALSE(cache);
  CHECK_THAT(cache.trouble().text, Catch::Contains("/nonexistent/c.db"));
}

TEST_CASE("a cache lies below data_directory whatever its table is called") {
  struct Case {
    const char* table;
    const char* path;
    bool warned;
  };
  const Case cases[] = {
      {"btree:/data/verify_cache", "/data/verify_cache.db", false},
      {"proxy:btree:/data/verify", "/data/verify.db", false},
      {"verify", "/data/verify.db", false},
      {"hash:/var/lib/postfix/verify", "/data/verify.db", true},
      {"memcache:/etc/x.cf", "/data/shared_cache.db", true},
      {"", "", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.table);
    std::string warning;
    CHECK(cache_path(c.table, "/data", &warning) == c.path);
    CHECK(!warning.empty() == c.warned);
  }
}
