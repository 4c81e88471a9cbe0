#include "smtpd/screen_rules.h"

#include <catch2/catch.hpp>

using namespace postern::smtpd;
using What = ScreenRule::What;

TEST_CASE("The permanent list has words and tables, its tables words alone") {
  const auto rules = parse_screen_rules(
      "permit_mynetworks, cidr:/x REJECT inline:{ 1.2.3.4=permit } Permit "
      "dunno bogus", false);
  const std::pair<What, const char*> expected[] = {
      {What::own_networks, "permit_mynetworks"},
      {What::table, "cidr:/x"},
      {What::reject, "REJECT"},
      {What::table, "inline:{ 1.2.3.4=permit }"},
      {What::permit, "Permit"},
      {What::dunno, "dunno"},
      {What::unknown, "bogus"},
  };
  REQUIRE(rules.size() == std::size(expected));
  for (std::size_t i = 0; i < rules.size(); ++i) {
    CAPTURE(i);
    CHECK(rules[i].what == expected[i].first);
    CHECK(rules[i].text == expected[i].second);
  }
  CHECK(parse_screen_rules("cidr:/x", true)[0].what == What::unknown);
  CHECK(parse_screen_rules("", false).empty());
  CHECK(parse_screen_rules("{ open", false)[0].what == What::unknown);
}
