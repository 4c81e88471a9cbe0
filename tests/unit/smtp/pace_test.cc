#include "smtp/pace.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::smtp;

TEST_CASE("content has its time by the write, or by what the server takes",
          "[smtp]") {
  Pace each(Seconds(10), false, 500);
  each.wrote(Seconds(9), 1);
  CHECK(each.left() == Seconds(10));

  Pace whole(Seconds(10), true, 500);
  CHECK(whole.left() == Seconds(10));
  whole.wrote(Seconds(4), 1000);  // which are worth two seconds
  CHECK(whole.left() == Seconds(8));
  whole.wrote(Seconds(1), 100'000);  // never more than at the start
  CHECK(whole.left() == Seconds(10));
  whole.wrote(Millis(1), 0);
  whole.wrote(Seconds(20), 1);
  CHECK(whole.left() == Millis(0));

  Pace strict(Seconds(10), true, 0);
  strict.wrote(Seconds(4), 100'000'000);
  CHECK(strict.left() == Seconds(6));
}
