// What is kept of TLS sessions, for whom and for how long.
#include "lookup/tls_sessions.h"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

using namespace postern;
using namespace postern::lookup;

namespace {

class Bench {
 public:
  Bench() {
    directory = ::mkdtemp(name_);
    log::set_recorder([this](std::string_view, log::Severity,
                             std::string_view text) {
      lines += std::string(text) + "\n";
    });
    ::umask(077);
    rows["smtp"] = {"btree:" + directory + "/smtp_scache", Seconds(3600)};
    rows["relay"] = rows["smtp"];
    rows["mute"] = {"", Seconds(3600)};
    begin();
  }
  ~Bench() {
    log::set_recorder(nullptr);
    sessions.reset();
    std::filesystem::remove_all(directory);
  }
  // Another process, or this one after a restart.
  std::unique_ptr<TlsSessions> another() {
    auto made = std::make_unique<TlsSessions>(
        directory, [this](const std::string& row) { return rows[row]; },
        log::Log("postern/tlsmgr"));
    made->set_clock([this] { return now; });
    return made;
  }
  void begin() { sessions = another(); }
  void keep(const std::string& row, const std::string& key,
            const std::string& session) {
    ipc::TlsSessionKeep kept;
    kept.key = key;
    kept.session = session;
    sessions->keep(row, kept);
  }

  std::string directory;
  std::string lines;
  std::map<std::string, SessionCache> rows;
  std::int64_t now = 1'000'000'000;
  std::unique_ptr<TlsSessions> sessions;

 private:
  char name_[40] = "/tmp/postern-tls-sessions-XXXXXX";
};

const std::string bytes("\0\x30\xff s", 5);

}  // namespace

TEST_CASE("a TLS session is there for the next process, its owner's alone") {
  Bench bench;
  bench.keep("smtp", "mx\nmay", bytes);
  CHECK(bench.sessions->find("smtp", "mx\nmay") == bytes);
  CHECK(bench.another()->find("smtp", "mx\nmay") == bytes);
  bench.begin();
  CHECK(bench.sessions->find("smtp", "mx\nmay") == bytes);
  struct stat facts;
  REQUIRE(::stat((bench.directory + "/smtp_scache.db").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  CHECK(bench.lines.empty());
}

TEST_CASE("a TLS session is for the row and the key that it was kept by") {
  Bench bench;
  bench.keep("smtp", "mx\nmay", bytes);
  CHECK(bench.sessions->find("smtp", "mx\nsecure").empty());
  CHECK(bench.sessions->find("relay", "mx\nmay").empty());
  CHECK(bench.sessions->find("unknown", "mx\nmay").empty());
  bench.keep("smtp", "mx\nmay", "newer");
  CHECK(bench.sessions->find("smtp", "mx\nmay") == "newer");
  bench.keep("smtp", "mx\nmay", "");
  CHECK(bench.sessions->find("smtp", "mx\nmay").empty());
}

TEST_CASE("a row without a cache keeps no TLS session") {
  Bench bench;
  bench.keep("mute", "mx", bytes);
  CHECK(bench.sessions->find("mute", "mx").empty());
  bench.rows["hasty"] = {"btree:" + bench.directory + "/none", Seconds(0)};
  bench.keep("hasty", "mx", bytes);
  CHECK(bench.sessions->find("hasty", "mx").empty());
  CHECK(std::filesystem::is_empty(bench.directory));
}

TEST_CASE("a TLS session lasts for as long as its row says") {
  Bench bench;
  bench.keep("smtp", "mx", bytes);
  bench.now += 3599;
  CHECK(bench.sessions->find("smtp", "mx") == bytes);
  bench.now += 1;
  CHECK(bench.sessions->find("smtp", "mx").empty());

  bench.keep("smtp", "mx", bytes);
  // Set to less since: what was kept under the old value goes by the new one.
  bench.rows["smtp"].lifetime = Seconds(60);
  bench.begin();
  CHECK(bench.sessions->find("smtp", "mx").empty());
  bench.now += 3541;
  CHECK(bench.sessions->find("smtp", "mx") == bytes);
}

TEST_CASE("what has expired leaves the file") {
  Bench bench;
  const std::string path = bench.directory + "/smtp_scache.db";
  bench.keep("smtp", "old", bytes);
  bench.now += 1800;
  bench.keep("smtp", "young", bytes);
  bench.now += 1800;
  bench.sessions->clean();
  const auto old = tables::CacheFile::look(path, "smtp\nold");
  const auto young = tables::CacheFile::look(path, "smtp\nyoung");
  REQUIRE(old);
  REQUIRE(young);
  CHECK_FALSE(old->has_value());
  CHECK(young->has_value());
}

TEST_CASE("what is too long, or no entry, is not resumed") {
  Bench bench;
  bench.keep("smtp", std::string(TlsSessions::longest_key + 1, 'x'), bytes);
  bench.keep("smtp", "mx",
             std::string(TlsSessions::longest_session + 1, 'x'));
  CHECK(bench.sessions->find("smtp", "mx").empty());
  auto file = tables::CacheFile::open(bench.directory + "/smtp_scache.db",
                                      [](const std::string&) {});
  REQUIRE(file);
  for (const char* entry : {"", "1000000100", "x AAAA", "1000000100 %%"}) {
    CAPTURE(entry);
    REQUIRE(file->put("smtp\nmx", entry));
    CHECK(bench.sessions->find("smtp", "mx").empty());
  }
}

TEST_CASE("a file that cannot be made leaves the sessions in memory") {
  Bench bench;
  std::filesystem::create_directory(bench.directory + "/taken.db");
  bench.rows["smtp"].table = "btree:" + bench.directory + "/taken";
  bench.keep("smtp", "mx", bytes);
  CHECK(bench.sessions->find("smtp", "mx") == bytes);
  CHECK_THAT(bench.lines, Catch::Contains("taken.db") &&
                              Catch::Contains("kept in memory"));
}

TEST_CASE("each protocol has its own parameters for sessions") {
  const config::Config config = config::Config::from_settings(
      "/etc/postern",
      {{"smtp_tls_session_cache_database", "btree:/d/s", {"main.conf", 1}},
       {"lmtp_tls_session_cache_database", "btree:/d/l", {"main.conf", 2}},
       {"lmtp_tls_session_cache_timeout", "5m", {"main.conf", 3}}});
  CHECK(SessionCache::read(config, false).table == "btree:/d/s");
  CHECK(SessionCache::read(config, false).lifetime == Seconds(3600));
  CHECK(SessionCache::read(config, true).table == "btree:/d/l");
  CHECK(SessionCache::read(config, true).lifetime == Seconds(300));
}
