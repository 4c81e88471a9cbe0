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
  const auto test = [&](int clients) {
    while (room.testing() < clients) room.test_begins();
    while (room.testing() > clients) room.test_ends();
    return room.reconsider();
  };
  CHECK_FALSE(test(8));
  CHECK(test(9));
  CHECK(room.stressed());
  CHECK_FALSE(test(7));
  CHECK(test(6));
  CHECK_FALSE(room.stressed());
  ScreenRoom endless(0);
  endless.test_begins();
  CHECK_FALSE(endless.reconsider());
}
