#include "lookup/table_cache.h"

#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstdlib>

#include "common/os/files.h"

namespace postern::lookup {
namespace {

class Bench {
 public:
  Bench() {
    char path[] = "/tmp/postern-tables-XXXXXX";
    REQUIRE(::mkdtemp(path) != nullptr);
    directory_ = path;
    TableCache::Options options;
    options.proxy_read_maps =
        "inline:{a=b}, proxy:inline:{k=approved}\n proxy:static:{x, y}";
    options.complain = [this](TableCache::Voice voice,
                              const std::string& line) {
      lines.push_back(
          (voice == TableCache::Voice::proxymap ? "proxymap: " : "lookup: ") +
          line);
    };
    cache.emplace(std::move(options));
  }
  ~Bench() {
    const auto names = os::list_directory(directory_);
    for (const std::string& name : *names)
      ::unlink((directory_ + "/" + name).c_str());
    ::rmdir(directory_.c_str());
  }
  std::string path(const std::string& name) { return directory_ + "/" + name; }
  void write(const std::string& name, const std::string& text) {
    REQUIRE(os::replace_file(path(name), text).ok());
  }
  ipc::TableAnswer find(const std::string& maps,
                        const std::vector<std::string>& keys,
                        std::int64_t partial_from = 1) {
    return cache->find({maps, keys, partial_from}, now);
  }

  std::vector<std::string> lines;
  std::optional<TableCache> cache;
  Clock::time_point now = Clock::now();

 private:
  std::string directory_;
};

TEST_CASE("all tables are asked for a key before the next key") {
  Bench bench;
  const std::string maps = "inline:{b=1}, inline:{a=2 b=3}";
  ipc::TableAnswer answer = bench.find(maps, {"a", "b"});
  CHECK(answer.found);
  CHECK(answer.key == 0);
  CHECK(answer.value == "2");
  CHECK(answer.table == "inline:{a=2 b=3}");
  answer = bench.find(maps, {"x", "B"});
  CHECK(answer.key == 1);
  CHECK(answer.value == "1");
  answer = bench.find(maps, {"x"});
  CHECK_FALSE(answer.found);
  CHECK_FALSE(answer.trouble.present);
  CHECK_FALSE(bench.find("", {"x"}).found);
  CHECK(bench.cache->open_tables() == 2);
  CHECK(bench.lines.empty());
}

TEST_CASE("tables of patterns are not asked for parts of a key") {
  Bench bench;
  const std::string maps = "regexp:{{/b/ yes}}";
  CHECK(bench.find(maps, {"a", "b"}, 2).key == 1);
  CHECK(bench.find(maps, {"a", "b"}, 2).found);
  CHECK_FALSE(bench.find(maps, {"a", "b"}, 1).found);
}

TEST_CASE("a table that does not open is trouble, and opens later") {
  Bench bench;
  const std::string maps = "inline:{a=b}, texthash:" + bench.path("t");
  CHECK(bench.find(maps, {"a"}).found);
  ipc::TableAnswer answer = bench.find(maps, {"k"});
  CHECK_FALSE(answer.found);
  REQUIRE(answer.trouble.present);
  CHECK_FALSE(answer.trouble.permanent);
  CHECK(answer.trouble.text ==
        "texthash:" + bench.path("t") + " is unavailable. open database " +
            bench.path("t") + ": No such file or directory");
  REQUIRE(bench.lines.size() == 1);
  CHECK(bench.lines[0] == "lookup: " + answer.trouble.text);
  bench.now += Seconds(30);
  CHECK(bench.find(maps, {"k"}).trouble.present);
  CHECK(bench.lines.size() == 1);
  bench.now += Seconds(31);
  CHECK(bench.find(maps, {"k"}).trouble.present);
  CHECK(bench.lines.size() == 2);
  bench.write("t", "k v\n");
  CHECK(bench.find(maps, {"k"}).trouble.present);
  bench.now += Seconds(2);
  answer = bench.find(maps, {"k"});
  CHECK(answer.found);
  CHECK(answer.value == "v");
}

TEST_CASE("a table behind proxy: is served when it is approved") {
  Bench bench;
  CHECK(bench.find("proxy:inline:{k=approved}", {"k"}).value == "approved");
  CHECK(bench.find("proxy:proxy:inline:{k=approved}", {"k"}).found);
  // Listed without proxy:.
  const ipc::TableAnswer answer = bench.find("proxy:inline:{a=b}", {"a"});
  CHECK_FALSE(answer.found);
  CHECK(answer.trouble.text ==
        "proxymap service is not configured for table \"inline:{a=b}\"");
  CHECK(bench.lines ==
        std::vector<std::string>{
            "proxymap: request for unapproved table: \"inline:{a=b}\"",
            "proxymap: to approve this table for read-only access, list "
            "proxy:inline:{a=b} in main.cf:proxy_read_maps"});
}

TEST_CASE("a list that cannot be read is trouble") {
  Bench bench;
  CHECK(bench.find("inline:{a=b", {"a"}).trouble.present);
  CHECK(bench.find("nosuchtype:x", {"a"}).trouble.present);
  CHECK(bench.find("fail:x", {"a"}).trouble.present);
  CHECK(bench.lines.size() == 3);
}

}  // namespace
}  // namespace postern::lookup
