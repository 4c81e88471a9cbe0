#include "smtp/content.h"

#include <catch2/catch.hpp>
#include <string>

#include "smtp/extensions.h"

namespace postern::smtp {
namespace {

std::string encoded(std::string_view message, std::size_t limit,
                    std::size_t cut) {
  ContentEncoder encoder(limit);
  std::string out;
  for (std::size_t at = 0; at < message.size(); at += cut)
    encoder.encode(message.substr(at, cut), out);
  encoder.finish(out);
  return out;
}

TEST_CASE("content goes out in lines that end in CRLF", "[smtp][content]") {
  struct {
    const char* message;
    std::size_t limit;
    const char* wire;
  } const cases[] = {
      {"", 998, ""},
      {"a\n", 998, "a\r\n"},
      {"a", 998, "a\r\n"},
      {"\n\n", 998, "\r\n\r\n"},
      {".\n", 998, "..\r\n"},
      {"..\n.a\nb.\n", 998, "...\r\n..a\r\nb.\r\n"},
      // A line at the limit is whole, one byte more is broken.
      {"1234567890\n", 10, "1234567890\r\n"},
      {"1234567890a\n", 10, "1234567890\r\n a\r\n"},
      {"1234567890abcdefghiX\n", 10, "1234567890\r\n abcdefghi\r\n X\r\n"},
      // What follows a break begins with a space: no dot needs another.
      {"1234567890.\n", 10, "1234567890\r\n .\r\n"},
      {"1234567890a\n", 0, "1234567890a\r\n"},
      {"a\r\n", 998, "a\r\r\n"},
  };
  for (const auto& c : cases)
    for (std::size_t cut : {1, 2, 3, 7, 100}) {
      CAPTURE(c.message, c.limit, cut);
      CHECK(encoded(c.message, c.limit, cut) == c.wire);
    }
}

mail::ParsedReply reply(std::vector<std::string> lines) {
  mail::ParsedReply out;
  out.code = 250;
  out.lines = std::move(lines);
  return out;
}

TEST_CASE("an EHLO answer is a list of keywords", "[smtp][extensions]") {
  const mail::ParsedReply said =
      reply({"250-mx.test at your service", "250-pipelining", "250-SIZE 1234",
             "250-AUTH=LOGIN PLAIN", "250-XFORWARD NAME addr", "250-",
             "250-SMTPUTF8", "250 DSN"});
  const Features all = parse_features(said, {});
  CHECK(all.pipelining);
  CHECK(all.size);
  CHECK(all.size_limit == 1234);
  CHECK(all.auth_mechanisms == std::vector<std::string>{"LOGIN", "PLAIN"});
  CHECK(all.forwards("ADDR"));
  CHECK_FALSE(all.forwards("HELO"));
  CHECK(all.smtputf8);
  CHECK(all.dsn);
  CHECK_FALSE(all.eight_bit);
  CHECK_FALSE(all.starttls);
  CHECK(announced_name(said) == "mx.test");

  const Features fewer = parse_features(said, {"pipelining", "dsn"});
  CHECK_FALSE(fewer.pipelining);
  CHECK_FALSE(fewer.dsn);
  CHECK(fewer.smtputf8);
}

TEST_CASE("sizes that are no limits limit nothing", "[smtp][extensions]") {
  for (const char* line : {"250 SIZE", "250 SIZE 0", "250 SIZE many",
                           "250 SIZE -5", "250 SIZE 99999999999999999999"}) {
    CAPTURE(line);
    CHECK(parse_features(reply({"250-x", line}), {}).size_limit == 0);
  }
}

}  // namespace
}  // namespace postern::smtp
