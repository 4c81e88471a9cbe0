#include "smtp/settings.h"

#include <catch2/catch.hpp>

using namespace postern;
using namespace postern::smtp;

namespace {

Settings settings(const std::string& main, bool lmtp = false) {
  Result<config::Config> config = config::Config::parse(main, "/nowhere");
  REQUIRE(config);
  Result<Settings> read = read_settings(*config, lmtp);
  REQUIRE(read);
  return *read;
}

}  // namespace

TEST_CASE("addresses are logged as info_log_address_format says") {
  CHECK(settings("").external_addresses);
  CHECK(settings("info_log_address_format = external\n").external_addresses);
  CHECK_FALSE(
      settings("info_log_address_format = internal\n").external_addresses);
}

TEST_CASE("a row of lmtp reads the parameters that begin with lmtp_") {
  const std::string main = "smtp_rcpt_timeout = 7s\nlmtp_rcpt_timeout = 9s\n";
  CHECK(settings(main).limits.rcpt == Seconds(7));
  CHECK(settings(main, true).limits.rcpt == Seconds(9));
}
