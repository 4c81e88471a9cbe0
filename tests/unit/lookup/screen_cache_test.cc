#include "lookup/screen_cache.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::lookup;

namespace {

ipc::ScreenKeep passed(const std::string& address, const std::string& line) {
  ipc::ScreenKeep note;
  note.address = address;
  note.line = line;
  return note;
}

std::string remembered(ScreenCache& cache, const std::string& address) {
  ipc::ScreenFind question;
  question.address = address;
  return cache.find(question).line;
}

}  // namespace

TEST_CASE("What clients have passed is kept until it is long past") {
  std::string lines;
  log::set_recorder([&](std::string_view, log::Severity,
                        std::string_view text) {
    lines += std::string(text) + "\n";
  });
  auto file = tables::CacheFile::open("", [](const std::string&) {});
  REQUIRE(file);
  ScreenCache cache(std::move(*file), "btree:/x", Seconds(100),
                    log::Log("postern/postscreen"));
  cache.set_clock([] { return 1000; });
  CHECK(remembered(cache, "192.0.2.1").empty());
  CHECK(cache.keep(passed("192.0.2.1", "900;0;0;0;0")).line == "900;0;0;0;0");
  cache.keep(passed("192.0.2.2", "899;0;0;0;0"));
  cache.keep(passed("192.0.2.3", "899;2000;0;0;0"));
  cache.keep(passed("192.0.2.4", "no record"));
  CHECK(remembered(cache, "192.0.2.2") == "899;0;0;0;0");
  cache.clean();
  CHECK(lines == "cache btree:/x full cleanup: retained=2 dropped=2 entries\n");
  CHECK(remembered(cache, "192.0.2.1") == "900;0;0;0;0");
  CHECK(remembered(cache, "192.0.2.2").empty());
  CHECK(remembered(cache, "192.0.2.3") == "899;2000;0;0;0");
  CHECK(remembered(cache, "192.0.2.4").empty());
  log::set_recorder({});
}
