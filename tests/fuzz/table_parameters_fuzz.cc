// The parameters of database tables: their files, templates, lists of servers.
// First line: the key to look up.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/databases/dial.h"
#include "common/databases/ldap_settings.h"
#include "common/databases/query.h"
#include "common/databases/servers.h"
#include "common/databases/settings.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern::databases;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string key(text.substr(0, text.find('\n')));
  text.remove_prefix(std::min(text.size(), key.size() + 1));
  const Parts parts(key);
  (void)Endpoint::parse(key, true);
  (void)parse_servers(key, true);
  // An escaped value ends nothing early.
  const std::string escaped = ldap_filter_value(key);
  if (escaped.find_first_of("()*") != std::string::npos) std::abort();
  (void)ldap_dn_value(key);
  // "domain" may name tables and files: those are not the question here.
  auto settings = Settings::parse(text, "x");
  if (!settings || settings->has("domain")) return 0;
  const LdapSettings ldap = LdapSettings::read(*settings, {});
  if (!settings->status().ok()) return 0;
  if (ldap.filter.fits_as_query(parts))
    (void)ldap.filter.query(parts, ldap_filter_value);
  if (ldap.plan.result.fits_as_result(parts)) {
    Answer answer(ldap.plan, parts);
    (void)answer.add(key);
    (void)answer.found("x");
  }
  return 0;
}
