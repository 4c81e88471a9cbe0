#include "lookup/table_cache.h"

#include <unistd.h>
#include <catch2/catch.hpp>

#include <condition_variable>
#include <cstdlib>
#include <mutex>

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

// A table whose answers come when the test lets them come.
class Gate {
 public:
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --waiting_;
  }
  void wait_for_waiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

class Gated : public tables::Table {
 public:
  Gated(std::string name, Gate* gate) : Table(std::move(name)), gate_(gate) {}

 protected:
  tables::Found look_up(std::string_view key) override {
    if (key == "slow") gate_->wait();
    if (key == "trouble") {
      warn("server gone");
      return try_later("3.0", "no server");
    }
    if (key == "none") return std::optional<std::string>();
    return std::optional<std::string>("value");
  }

 private:
  Gate* gate_;
};

Task<void> ask_slowly(TableCache* cache, ipc::TableFind question,
                      std::optional<ipc::TableAnswer>* out) {
  ipc::TableAnswer answer = co_await cache->find_slowly(std::move(question));
  out->emplace(std::move(answer));
}

Task<void> take(Task<tables::Found>* task, std::optional<tables::Found>* out) {
  tables::Found found = co_await *task;
  out->emplace(std::move(found));
}

struct SlowBench {
  SlowBench() {
    TableCache::Options options;
    options.complain = [this](TableCache::Voice, const std::string& line) {
      lines.push_back(line);
    };
    options.other = [this](const tables::Spec& spec,
                           const tables::OpenOptions&)
        -> Result<std::unique_ptr<tables::Table>> {
      if (spec.name == "closed:1") return try_later("3.5", "it is closed");
      return std::unique_ptr<tables::Table>(
          std::make_unique<Gated>(spec.text(), &gate));
    };
    cache.emplace(std::move(options));
  }
  ipc::TableAnswer get(const std::string& maps, const std::string& key) {
    std::optional<ipc::TableAnswer> answer;
    Nursery nursery;
    nursery.start(ask_slowly(&*cache, {maps, {key}, 1}, &answer));
    loop.run_until([&] { return answer.has_value(); });
    return *answer;
  }

  Loop loop;
  Gate gate;
  std::vector<std::string> lines;
  std::optional<TableCache> cache;
};

TEST_CASE("tables that others answer are asked by threads") {
  SlowBench bench;
  CHECK(bench.cache->slow("inline:{a=b}, tcp:a:1"));
  CHECK_FALSE(bench.cache->slow("inline:{a=b}, hash:/x"));
  CHECK(bench.get("tcp:a:1", "k").value == "value");
  CHECK(bench.get("tcp:a:1", "k").table == "tcp:a:1");
  CHECK(bench.get("inline:{a=b}, tcp:a:1", "a").value == "b");
  const ipc::TableAnswer none = bench.get("tcp:a:1", "none");
  CHECK_FALSE(none.found);
  CHECK_FALSE(none.trouble.present);
  CHECK(bench.lines.empty());
  CHECK(bench.get("tcp:a:1", "trouble").trouble.text == "no server");
  CHECK(bench.lines ==
        std::vector<std::string>{
            "server gone", "tcp:a:1 lookup error for \"trouble\": no server"});
  CHECK(bench.get("proxy:tcp:a:1", "k").trouble.present);
}

TEST_CASE("a slow table holds up neither others nor its own quick answers") {
  SlowBench bench;
  std::vector<std::optional<ipc::TableAnswer>> waiting(3);
  Nursery nursery;
  for (auto& answer : waiting)
    nursery.start(
        ask_slowly(&*bench.cache, {"tcp:a:1", {"slow"}, 1}, &answer));
  bench.gate.wait_for_waiting(3);
  CHECK(bench.cache->busy_threads() == 3);
  CHECK(bench.get("tcp:b:1", "k").found);
  CHECK(bench.get("tcp:a:1", "k").found);
  bench.gate.open();
  bench.loop.run_until([&] { return nursery.empty(); });
  for (const auto& answer : waiting) CHECK(answer->value == "value");
}

TEST_CASE("a slow table that does not open says why") {
  SlowBench bench;
  const ipc::TableAnswer answer = bench.get("tcp:closed:1", "k");
  REQUIRE(answer.trouble.present);
  CHECK(answer.trouble.text == "tcp:closed:1 is unavailable. it is closed");
}

TEST_CASE("questions beyond the limits of a slow table fail, and heal") {
  Loop loop;
  Gate gate;
  SlowTable::Options options;
  options.threads = 1;
  options.most_waiting = 1;
  options.limit = Millis(1);
  options.open.other = [&gate](const tables::Spec& spec,
                               const tables::OpenOptions&)
      -> Result<std::unique_ptr<tables::Table>> {
    return std::unique_ptr<tables::Table>(
        std::make_unique<Gated>(spec.text(), &gate));
  };
  SlowTable table("tcp:a:1", std::move(options));
  const auto get = [&](std::string key) {
    std::optional<tables::Found> found;
    Task<tables::Found> task = table.find(std::move(key));
    Nursery nursery;
    nursery.start(take(&task, &found));
    loop.run_until([&] { return found.has_value(); });
    return *found ? std::string(**found ? ***found : "-")
                  : found->trouble().text;
  };
  CHECK(get("slow") == "table tcp:a:1: query error: no answer in 0 s");
  gate.wait_for_waiting(1);
  // In line behind it, and out of line.
  CHECK(get("k") == "table tcp:a:1: query error: no answer in 0 s");
  CHECK(get("k") == "table tcp:a:1: query error: 1 questions wait already");
  gate.open();
  const auto end = Clock::now() + Seconds(20);
  std::string last;
  while (last != "value" && Clock::now() < end) last = get("k");
  CHECK(last == "value");
}

}  // namespace
}  // namespace postern::lookup
