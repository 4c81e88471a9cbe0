// Restriction lists, filters of DNS list answers, and how policy services are
// named.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/access/address_filter.h"
#include "common/access/check.h"
#include "common/access/policy.h"
#include "common/access/restrictions.h"
#include "common/base/panic.h"

using namespace postern;
using namespace postern::access;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  static const config::Config config = config::Config::defaults();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const RestrictionList list = parse_restrictions(text, {"mine"});
  for (const Restriction& one : list) {
    require(one.check != Check::warn_if_reject, "a prefix is no restriction");
    require(one.argument.empty() || one.check != Check::unknown,
            "what is unknown has no argument");
    if (one.check == Check::check_policy_service)
      (void)parse_policy_service(one.argument, config);
  }
  (void)protects_from_relaying(list, {{"mine", list}});
  (void)nearest_restriction(text.substr(0, 60));
  const auto filter = AddressFilter::parse(text);
  if (filter) (void)filter->matches("127.0.0.2");
  (void)parse_policy_service(text, config);
  require(line_of_word(text, 1, "permit", 0) >= 1, "lines begin with one");
  return 0;
}
