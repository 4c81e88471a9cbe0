#include "common/service/delivery_log.h"

#include <catch2/catch.hpp>

namespace postern {
namespace {

TEST_CASE("delays have two significant digits", "[service][delivery_log]") {
  struct {
    std::int64_t microseconds;
    int decimals;
    const char* text;
  } const cases[] = {
      {0, 2, "0"},         {-5, 2, "0"},          {4999, 2, "0"},
      {5000, 2, "0.01"},   {15000, 2, "0.02"},    {930000, 2, "0.93"},
      {999999, 2, "1"},    {1000000, 2, "1"},     {1040000, 2, "1"},
      {1260000, 2, "1.3"}, {9960000, 2, "10"},    {12400000, 2, "12"},
      {12600000, 2, "13"}, {123456789, 2, "123"}, {300000, 2, "0.3"},
      {123456, 6, "0.12"}, {1234, 6, "0.0012"},   {1, 6, "0.000001"},
      {930000, 0, "1"},    {1260000, 1, "1.3"},   {1260000, 0, "1"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.microseconds, c.decimals);
    CHECK(delay_text(c.microseconds, c.decimals) == c.text);
  }
}

TEST_CASE("the line has the fields that tools look for",
          "[service][delivery_log]") {
  DeliveryEvent event;
  event.queue_id = "4F1";
  event.recipient = "x@there.test";
  event.relay = "mx[192.0.2.1]:25";
  event.times = {1000000, 1020000, 1020000, 1170000, 1930000};
  event.dsn = "2.0.0";
  event.status = "sent";
  event.text = "250 Ok";
  CHECK(delivery_text(event) ==
        "4F1: to=<x@there.test>, relay=mx[192.0.2.1]:25, delay=0.93, "
        "delays=0.02/0/0.15/0.76, dsn=2.0.0, status=sent (250 Ok)");

  event.original = "X@there.test";
  CHECK(delivery_text(event).find("orig_to") == std::string::npos);
  event.original = "a b@here.test";
  event.session_uses = 3;
  event.times.connected = 0;
  CHECK(delivery_text(event) ==
        "4F1: to=<x@there.test>, orig_to=<\"a b\"@here.test>, "
        "relay=mx[192.0.2.1]:25, conn_use=3, delay=0.93, "
        "delays=0.02/0/0/0.91, dsn=2.0.0, status=sent (250 Ok)");
  event.external_addresses = false;
  CHECK(delivery_text(event).find("orig_to=<a b@here.test>") !=
        std::string::npos);
}

}  // namespace
}  // namespace postern
