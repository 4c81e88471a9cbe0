#include "authd/saslauthd.h"

#include <catch2/catch.hpp>

using namespace postern::authd;

TEST_CASE("Four counted texts are asked, one is answered") {
  CHECK(saslauthd_request({"bob", "pw", "smtp", ""}) ==
        std::string("\0\3bob\0\2pw\0\4smtp\0\0", 17));
  CHECK(saslauthd_request({std::string(1025, 'x'), "", "", ""}).empty());
  CHECK_FALSE(saslauthd_answer(""));
  CHECK_FALSE(saslauthd_answer(std::string_view("\0\3OK", 4)));
  CHECK(saslauthd_answer(std::string_view("\0\2OK", 4)) == "OK");
  CHECK(saslauthd_answer(std::string_view("\0\2NOx", 5)) == "NO");
}
