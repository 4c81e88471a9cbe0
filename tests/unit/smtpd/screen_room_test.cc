#include "smtpd/screen_room.h"

#include <catch2/catch.hpp>

using namespace postern::smtpd;

TEST_CASE("Connections are counted by their address") {
  ScreenRoom room(100);
  CHECK(room.arrived("192.0.2.1") == 1);
  CHECK(room.arrived("192.0.2.1") == 2);
  CHECK(room.arrived("192.0.2.2") == 1);
  room.left("192.0.2.1");
  CHECK(room.arrived("192.0.2.1") == 2);
  room.left("192.0.2.2");
  room.left("192.0.2.2");
  CHECK(room.arrived("192.0.2.2") == 1);
}

TEST_CASE("Stress begins at nine tenths and ends below seven") {
  ScreenRoom room(10);
  int changes = 0;
  room.when_stressed([&] { ++changes; });
  const auto test = [&](int clients) {
    while (room.testing() < clients) room.test_begins();
    while (room.testing() > clients) room.test_ends();
    return changes;
  };
  CHECK(test(8) == 0);
  CHECK(test(9) == 1);
  CHECK(room.stressed());
  CHECK(test(7) == 1);
  CHECK(test(6) == 2);
  CHECK_FALSE(room.stressed());
  ScreenRoom endless(0);
  endless.when_stressed([&] { ++changes; });
  endless.test_begins();
  CHECK(changes == 2);
}
