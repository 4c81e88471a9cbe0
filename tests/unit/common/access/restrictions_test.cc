// The table of names and the reading of lists.
#include "common/access/restrictions.h"

#include <catch2/catch.hpp>

#include <set>

using namespace postern::access;

TEST_CASE("names are unique and written in small letters") {
  std::set<std::string_view> seen;
  for (const RestrictionName& row : restriction_names()) {
    CAPTURE(std::string(row.name));
    CHECK(seen.insert(row.name).second);
    CHECK(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") ==
          std::string_view::npos);
  }
}

TEST_CASE("an argument belongs to the name before it") {
  struct Case {
    const char* value;
    const char* name;
    const char* argument;
    Check check;
  };
  const Case cases[] = {
      {"reject_rbl_client bl.test=127.0.0.[2..4]", "reject_rbl_client",
       "bl.test=127.0.0.[2..4]", Check::reject_rbl_client},
      {"check_policy_service { inet:h:1, timeout=3, { default_action = a b } }",
       "check_policy_service", "{ inet:h:1, timeout=3, { default_action = a b "
       "} }", Check::check_policy_service},
      {"check_policy_service", "check_policy_service", "", Check::no_argument},
      {"check_policy_service permit", "check_policy_service", "",
       Check::no_argument},
      {"reject_rbl_client permit", "reject_rbl_client", "", Check::no_argument},
      {"sleep permit", "sleep", "", Check::no_argument},
      {"sleep 3", "sleep", "3", Check::sleep},
      {"check_sender_mx_access x", "check_sender_mx_access", "",
       Check::no_argument},
      {"check_sender_mx_access cidr:/x", "check_sender_mx_access", "cidr:/x",
       Check::check_hosts_access},
      {"check_ccert_access { hash:/x { search_order = cert_fingerprint } }",
       "check_ccert_access", "hash:/x", Check::check_ccert_access},
      {"check_ccert_access { hash:/x { search_order = name } }",
       "check_ccert_access", "", Check::no_argument},
      {"hash:/x", "hash:/x", "hash:/x", Check::table},
      {"{unclosed", "{unclosed", "", Check::unknown},
  };
  for (const Case& c : cases) {
    CAPTURE(c.value);
    const RestrictionList list = parse_restrictions(c.value, {});
    REQUIRE(!list.empty());
    CHECK(list[0].name == c.name);
    CHECK(list[0].argument == c.argument);
    CHECK(list[0].check == c.check);
  }
}

TEST_CASE("a slip of the pen has a nearest name") {
  CHECK(nearest_restriction("reject_unath_destination") ==
        "reject_unauth_destination");
  CHECK(nearest_restriction("permit_my_networks") == "permit_mynetworks");
  CHECK(nearest_restriction("something_else_entirely") == "");
}
