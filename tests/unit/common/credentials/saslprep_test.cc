#include "common/credentials/saslprep.h"

#include <catch2/catch.hpp>

using namespace postern::credentials;

TEST_CASE("Text is prepared as RFC 4013 says") {
  struct Case {
    const char* what;
    std::string text;
    const char* prepared;  // null: it cannot be
  };
  const Case cases[] = {
      // The examples of section 3.
      {"soft hyphen", "I\u00adX", "IX"},
      {"ASCII", "user", "user"},
      {"no folding", "USER", "USER"},
      {"feminine ordinal", "\u00aa", "a"},
      {"Roman nine", "\u2168", "IX"},
      {"control character", "\x07", nullptr},
      {"digit behind a right-to-left letter", "\u0627\x31", nullptr},
      // Mapping, 2.1.
      {"no-break space", "a\u00a0b", "a b"},
      {"ideographic space", "a\u3000b", "a b"},
      {"zero width joiner", "a\u200db", "ab"},
      {"nothing is left", "\u00ad", nullptr},
      {"empty", "", nullptr},
      // Normalisation, 2.2.
      {"composed", "\u00e9", "\u00e9"},
      {"decomposed", "e\u0301", "\u00e9"},
      {"full width", "\uff21\uff20\uff11", "A@1"},
      {"ligature", "\ufb01x", "fix"},
      // Prohibited, 2.3.
      {"delete", "a\x7f", nullptr},
      {"private use", "a\ue000", nullptr},
      {"no character", "a\ufdd0", nullptr},
      {"replacement character", "a\ufffd", nullptr},
      {"left-to-right mark", "a\u200e", nullptr},
      {"language tag", "a\U000e0041", nullptr},
      // Directions, 2.4.
      {"Hebrew", "\u05d0\u05d1", "\u05d0\u05d1"},
      {"Hebrew around digits", "\u05d0\x31\u05d1", "\u05d0\x31\u05d1"},
      {"Hebrew and Latin", "\u05d0x\u05d1", nullptr},
      {"Latin before Hebrew", "x\u05d0", nullptr},
      // Younger than Unicode 3.2.
      {"unassigned", "a\U0001f511", "a\U0001f511"},
      // What is no text.
      {"Latin-1", "caf\xe9", nullptr},
      {"surrogate", "\xed\xa0\x80", nullptr},
      {"cut short", "a\xc3", nullptr},
      {"NUL", std::string("a\0b\u00aa", 5), nullptr},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    const auto made = saslprep(each.text);
    CHECK(made.has_value() == (each.prepared != nullptr));
    if (made && each.prepared != nullptr) CHECK(*made == each.prepared);
    // Once more changes nothing.
    if (made) CHECK(saslprep(*made) == made);
    CHECK(prepared(each.text) ==
          (each.prepared != nullptr ? each.prepared : each.text));
  }
}

TEST_CASE("A name has one key, however it is written") {
  CHECK(name_key("Ren\u00e9@Example.com") == "ren\u00e9@example.com");
  CHECK(name_key("rene\u0301@example.com") == "ren\u00e9@example.com");
  CHECK(name_key("\uff21lice") == "alice");
  CHECK(name_key("a\u00adb") == "ab");
  CHECK(name_key("bad\x07") == "bad\x07");
}
