#include "smtpd/screen_rules.h"

#include "common/base/text.h"

namespace postern::smtpd {
namespace {

using What = ScreenRule::What;

What meaning_of(std::string_view word, bool in_table) {
  if (equal_nocase(word, "permit_mynetworks")) return What::own_networks;
  if (equal_nocase(word, "permit")) return What::permit;
  if (equal_nocase(word, "reject")) return What::reject;
  if (equal_nocase(word, "dunno")) return What::dunno;
  const bool names_table = word.find(':') != std::string_view::npos;
  return names_table && !in_table ? What::table : What::unknown;
}

}  // namespace

std::vector<ScreenRule> parse_screen_rules(std::string_view text,
                                           bool in_table) {
  std::vector<ScreenRule> rules;
  const auto words = split_braced(text);
  if (!words) return {{What::unknown, std::string(text)}};
  for (const std::string& word : *words)
    rules.push_back({meaning_of(word, in_table), word});
  return rules;
}

}  // namespace postern::smtpd
