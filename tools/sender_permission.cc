#include "tools/sender_permission.h"

#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/os/users.h"
#include "common/tables/maps.h"

namespace postern::tools {
namespace {

// What every installation has that does not limit its users.
constexpr std::string_view everybody = "static:*";

Result<std::string> login_key() {
  const Result<std::optional<os::User>> user = os::find_user(::getuid());
  if (!user) return user.trouble();
  return *user ? (*user)->name : fmt::format("uid:{}", ::getuid());
}

}  // namespace

bool allows_sender(std::string_view patterns, const std::string& sender,
                   const SenderRules& rules) {
  mail::ExtensionRules extension;
  extension.delimiters = rules.delimiters;
  const std::string bare =
      mail::strip_extension(sender, extension).value_or(sender);
  const std::string wanted =
      mail::fold_key(sender.empty() ? rules.empty_key : bare);
  const std::size_t at = wanted.rfind('@');
  const std::string domain = sender.empty() || at == std::string::npos
                                 ? std::string()
                                 : wanted.substr(at);
  for (const std::string& pattern : split_words(patterns)) {
    const std::string folded = mail::fold_key(pattern);
    if (pattern == "*" || folded == wanted) return true;
    if (!domain.empty() && folded == domain) return true;
  }
  return false;
}

Status check_sender(const config::Config& config, const std::string& sender) {
  const std::string tables = config.get<"local_login_sender_maps">();
  if (tables == everybody) return {};
  Result<tables::Maps> maps =
      tables::Maps::parse("local_login_sender_maps", tables);
  if (!maps) return maps.trouble();
  const Result<std::string> key = login_key();
  if (!key) return key.trouble();
  const tables::Found found = maps->find(*key);
  if (!found)
    return try_later("3.0", "local_login_sender_maps: " + found.trouble().text);
  SenderRules rules;
  rules.empty_key =
      config.get<"empty_address_local_login_sender_maps_lookup_key">();
  rules.delimiters = config.get<"recipient_delimiter">();
  if (*found && allows_sender(**found, sender, rules)) return {};
  return give_up("7.1", fmt::format("not authorized to use sender='{}'",
                                    mail::quote_local_822(sender)));
}

}  // namespace postern::tools
