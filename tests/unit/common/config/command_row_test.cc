// The arguments of pipe and spawn rows.
#include "common/config/command_row.h"

#include <catch2/catch.hpp>

namespace postern::config {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("a pipe row says who runs what, and how") {
  const auto row = CommandRow::parse(
      {"flags=DRhu", "user=vmail:mail", "null_sender=", "directory=/srv",
       "eol=\\r\\n", "size=1000", "argv=/usr/bin/x", "-f", "${sender}",
       "user=not"},
      "pipe");
  REQUIRE(row);
  CHECK(row->flags == "DRhu");
  CHECK(row->has('h'));
  CHECK_FALSE(row->has('q'));
  CHECK(row->user == "vmail");
  CHECK(row->group == "mail");
  CHECK(row->null_sender.empty());
  CHECK(row->directory == "/srv");
  CHECK(row->line_end == "\r\n");
  CHECK(row->size_limit == 1000);
  CHECK(row->argv == Words{"/usr/bin/x", "-f", "${sender}", "user=not"});
  CHECK(row->warnings.empty());
}

TEST_CASE("what is left out has Postfix's initial value") {
  const auto row = CommandRow::parse({"user=u", "argv=/x"}, "pipe");
  REQUIRE(row);
  CHECK(row->null_sender == "MAILER-DAEMON");
  CHECK(row->line_end == "\n");
  CHECK(row->size_limit == 0);
  CHECK(row->group.empty());
}

TEST_CASE("an unknown flag is told of and left out") {
  const auto row =
      CommandRow::parse({"user=u", "flags=FZR", "argv=/x"}, "pipe");
  REQUIRE(row);
  CHECK(row->flags == "FR");
  CHECK(row->warnings == Words{"unknown flag: Z (ignored)"});
}

TEST_CASE("rows that cannot be are refused") {
  const struct {
    Words words;
    const char* program;
    const char* text;
  } cases[] = {
      {{"argv=/x"}, "pipe", "missing user= command-line attribute"},
      {{"user=u"}, "pipe", "missing argv= command-line attribute"},
      {{"user=u", "argv="}, "spawn", "missing argv= command-line attribute"},
      {{"user=u", "size=x", "argv=/x"}, "pipe", "bad size= value: x"},
      {{"user=u", "size=-1", "argv=/x"}, "pipe", "bad size= value: -1"},
      {{"user=u", "color=red", "argv=/x"},
       "pipe",
       "unknown attribute name: color=red"},
      {{"user=u", "flags=D", "argv=/x"},
       "spawn",
       "unknown attribute name: flags=D"},
      {{"user=u", "argv=x"},
       "spawn",
       "argv=x: the program needs its full path name"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.text);
    const auto row = CommandRow::parse(each.words, each.program);
    REQUIRE_FALSE(row);
    CHECK(row.trouble().text == each.text);
    CHECK(row.trouble().status() == "5.3.5");
  }
}

TEST_CASE("line ends are written as in C") {
  const std::pair<const char*, std::string> cases[] = {
      {"\\r\\n", "\r\n"},       {"\\a\\b\\f\\t\\v", "\a\b\f\t\v"},
      {"\\015\\12x", "\r\nx"},  {"\\0", std::string(1, '\0')},
      {"\\\\", "\\"},           {"\\q", "q"},
      {"plain\\", "plain\\"},   {"\\1234", "S4"},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(unescape(text) == expected);
  }
}

}  // namespace
}  // namespace postern::config
