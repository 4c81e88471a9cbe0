// What the screen reads: lists and rules of the configuration, lines of its
// cache, addresses as strangers write them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/access/screen_record.h"
#include "common/base/panic.h"
#include "smtpd/screen_lists.h"
#include "smtpd/screen_rules.h"
#include "smtpd/screen_session.h"

using namespace postern;
using namespace postern::smtpd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> problems;
  const std::vector<DnsSite> sites = parse_dns_sites(text, &problems);
  Ranking ranking;
  for (const std::string& domain : domains_of(sites))
    count_answer(sites, domain, {"127.0.0.2"}, 60, &ranking);
  require(ranking.blamed.empty() == (ranking.blame == 0),
          "who is blamed has a weight");
  for (const ScreenRule& rule : parse_screen_rules(text, true))
    require(rule.what != ScreenRule::What::table, "tables name no tables");
  (void)parse_screen_rules(text, false);
  if (const auto record = access::Record::from_line(text)) {
    const auto again = access::Record::from_line(record->line());
    require(again && again->until == record->until, "a line means itself");
  }
  if (const auto address = screened_address(text))
    require(address->size() <= text.size(), "an address is a part");
  return 0;
}
