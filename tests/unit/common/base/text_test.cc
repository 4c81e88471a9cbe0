#include "common/base/text.h"

#include <catch2/catch.hpp>

using namespace postern;

TEST_CASE("lists split at commas and white space", "[base][text]") {
  CHECK(split_words(" a, b\tc,,\n d ") ==
        std::vector<std::string>{"a", "b", "c", "d"});
  CHECK(split_words("").empty());
}

TEST_CASE("braces hold a piece of a list together", "[base][text]") {
  CHECK(*split_braced("a, {b, {c d}} e") ==
        std::vector<std::string>{"a", "{b, {c d}}", "e"});
  CHECK_FALSE(split_braced("a {b"));
}

TEST_CASE("base64 goes both ways", "[base][text]") {
  for (const std::string text : {"", "f", "fo", "foo", "foob", "\0\xff\x80"}) {
    CAPTURE(text);
    CHECK(base64_decode(base64_encode(text)) == text);
  }
  CHECK(base64_encode("fooba") == "Zm9vYmE=");
  CHECK_FALSE(base64_decode("Zm9"));
  CHECK_FALSE(base64_decode("Z=9v"));
}

TEST_CASE("UTF-8 is told from other bytes", "[base][text]") {
  CHECK(valid_utf8("caf\xc3\xa9"));
  CHECK_FALSE(valid_utf8("caf\xe9"));
  CHECK_FALSE(valid_utf8("\xc0\xaf"));
  CHECK_FALSE(valid_utf8("\xed\xa0\x80"));
  CHECK(printable_utf8("a\nb\xc3\xa9\xff") == "a?b\xc3\xa9?");
}

TEST_CASE("numbers are whole or nothing", "[base][text]") {
  CHECK(parse_number("42") == 42);
  CHECK_FALSE(parse_number("42x"));
  CHECK_FALSE(parse_number(""));
  CHECK_FALSE(parse_number("99999999999999999999"));
}
