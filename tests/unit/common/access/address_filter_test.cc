// Filters of DNS list answers.
#include "common/access/address_filter.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::access;

TEST_CASE("a filter names addresses number by number") {
  struct Case {
    const char* filter;
    const char* address;
    bool matches;
  };
  const Case cases[] = {
      {"127.0.0.2", "127.0.0.2", true},
      {"127.0.0.2", "127.0.0.3", false},
      {"127.0.0.2", "127.0.0.20", false},
      {"127.0.0.2", "127.0.0", false},
      {"127.0.0.2", "127.0.0.2.1", false},
      {"127.0.0.2", "::1", false},
      {"127.[0;5].[0..3].[2..11;13]", "127.5.3.13", true},
      {"127.[0;5].[0..3].[2..11;13]", "127.4.3.13", false},
      {"[0..255].[0..255].[0..255].[0..255]", "9.8.7.6", true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.filter, c.address);
    const auto filter = AddressFilter::parse(c.filter);
    REQUIRE(filter);
    CHECK(filter->matches(c.address) == c.matches);
  }
}

TEST_CASE("what is no filter is told why") {
  for (const char* text : {"", "127.0.0", "127.0.0.", "127.0.0.256", "127.0.0.x",
                           "127.0.0.[", "127.0.0.[2", "127.0.0.[2..]",
                           "127.0.0.[9..2]", "127.0.0.[2;]", "127.0.0.2.3",
                           "127.0.0.2 ", "127.0.0.2..4"}) {
    CAPTURE(text);
    const auto filter = AddressFilter::parse(text);
    REQUIRE_FALSE(filter);
    CHECK_THAT(filter.trouble().text,
               Catch::StartsWith("bad address filter \""));
  }
}
