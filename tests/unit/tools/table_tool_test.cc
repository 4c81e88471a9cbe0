#include "tools/table_tool.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "common/os/files.h"
#include "common/tables/table.h"
#include "tools/message_keys.h"
#include "tools/table_making.h"

namespace postern::tools {
namespace {

// Each key in brackets.
std::string keys(std::string_view message, const MessageKeys& wanted) {
  std::string all;
  each_message_key(message, wanted, [&](std::string_view key) {
    all += "[" + std::string(key) + "]";
  });
  return all;
}

constexpr std::string_view mixed =
    "From: a\n"
    "Content-Type: multipart/mixed;\n  boundary=\"b b\"\n"
    "\n"
    "pre\n"
    "--b b\n"
    "Content-Type: message/rfc822\n"
    "\n"
    "Subject: nested\n"
    "\n"
    "nested body\n"
    "--b b\n"
    "Content-Type: multipart/alternative; boundary=in\n"
    "\n"
    "--in\n"
    "X-In: 1\n"
    "\n"
    "in body\n"
    "--in--\n"
    "after\n"
    "--b b--\n"
    "epi\n";

TEST_CASE("headers end at the first line that is none") {
  const MessageKeys both{.headers = true, .body = true};
  const MessageKeys headers{.headers = true};
  const MessageKeys body{.body = true};
  struct Case {
    const char* message;
    const MessageKeys* wanted;
    const char* keys;
  };
  const Case cases[] = {
      {"A: x\r\nB: c\r\n d\r\n\r\nbody\r\n", &both, "[A: x][B: c\n d][][body]"},
      {"A: x\nB: c", &both, "[A: x][B: c]"},
      {"A: x\n\nbody", &headers, "[A: x]"},
      {"A: x\n\nbody", &body, "[][body]"},
      {"A: x\nnot header\nB: y\n", &both, "[A: x][][not header][B: y]"},
      {"not header\nB: y\n", &headers, ""},
      {"", &both, ""},
  };
  for (const Case& one : cases) {
    CAPTURE(one.message);
    CHECK(keys(one.message, *one.wanted) == one.keys);
  }
}

TEST_CASE("with MIME, headers of parts are headers and not body") {
  CHECK(keys(mixed, {.headers = true, .mime = true}) ==
        "[From: a][Content-Type: multipart/mixed;\n  boundary=\"b b\"]"
        "[Content-Type: message/rfc822][Subject: nested]"
        "[Content-Type: multipart/alternative; boundary=in][X-In: 1]");
  CHECK(keys(mixed, {.body = true, .mime = true}) ==
        "[][pre][--b b][][][nested body][--b b][][--in][][in body][--in--]"
        "[after][--b b--][epi]");
  CHECK(keys(mixed, {.headers = true}) ==
        "[From: a][Content-Type: multipart/mixed;\n  boundary=\"b b\"]");
}

TEST_CASE("newaliases makes every table of alias_database") {
  std::string place =
      (std::filesystem::temp_directory_path() / "aliases.XXXXXX").string();
  REQUIRE(mkdtemp(place.data()) != nullptr);
  REQUIRE(os::replace_file(place + "/one", "root: alice\nbad\n").ok());
  REQUIRE(os::replace_file(place + "/two", "x: bob,carol\n").ok());
  std::vector<std::string> warnings;
  const tables::Warn ear = [&](std::string_view text) {
    warnings.emplace_back(text);
  };
  const auto config_of = [&](const std::string& value) {
    Result<config::Config> config = config::Config::parse(
        "alias_database = " + value + "\ndefault_database_type = hash\n",
        place);
    REQUIRE(config);
    return *config;
  };
  const Status made = run_newaliases(
      config_of("hash:" + place + "/one, lmdb:" + place + "/two"), ear);
  CHECK(made.ok());
  CHECK(warnings ==
        std::vector<std::string>{place + "/one, line 2: need name:value pair"});
  const auto value = [&](const std::string& spec, std::string_view key) {
    auto table = tables::open(spec);
    REQUIRE(table);
    tables::Found found = (*table)->find(key);
    REQUIRE(found);
    return found->value_or("-");
  };
  CHECK(value("hash:" + place + "/one", "root") == "alice");
  CHECK(value("lmdb:" + place + "/two", "x") == "bob, carol");

  const Status missing =
      run_newaliases(config_of("hash:" + place + "/none"), ear);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.trouble().text ==
        "open " + place + "/none: No such file or directory");
  const Status fixed = run_newaliases(config_of("static:x"), ear);
  CHECK_FALSE(fixed.ok());
  std::filesystem::remove_all(place);
}

}  // namespace
}  // namespace postern::tools
