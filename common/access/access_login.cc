// Whose sender address may be used by whom: smtpd_sender_login_maps, asked by
// reject_sender_login_mismatch and its kin (postconf(5)).
#include <fmt/format.h>

#include "common/access/access.h"
#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/tables/address_find.h"

namespace postern::access {
namespace {

bool owns(const std::string& user, const std::string& owners) {
  for (const std::string& each : split_words(owners))
    if (mail::fold_key(each) == mail::fold_key(user)) return true;
  return false;
}

}  // namespace

Task<Access::Outcome> Access::sender_login(Check check) {
  const bool both = check == Check::reject_sender_login_mismatch;
  const bool without_login =
      check == Check::reject_unauthenticated_sender_login_mismatch;
  if (!settings_->sasl_enabled) {
    const auto ignored = [this](const char* name) {
      log_.warning("restriction `{}' ignored: no SASL support", name);
    };
    if (check == Check::reject_known_sender_login_mismatch)
      ignored("reject_known_sender_login_mismatch");
    else if (!without_login)
      ignored("reject_authenticated_sender_login_mismatch");
    if (both || without_login)
      ignored("reject_unauthenticated_sender_login_mismatch");
    co_return Outcome::go_on;
  }
  if (!facts_.sender || facts_.sender->empty()) co_return Outcome::go_on;
  const bool unknown_allowed =
      check == Check::reject_known_sender_login_mismatch;
  if (facts_.login) {
    if (without_login) co_return Outcome::go_on;
    co_return co_await own_sender(unknown_allowed);
  }
  if (!both && !without_login && !unknown_allowed) co_return Outcome::go_on;
  co_return co_await others_sender();
}

// Who has logged in uses an address of its own.
Task<Access::Outcome> Access::own_sender(bool unknown_allowed) {
  const std::string sender = *facts_.sender;
  const std::string user = facts_.login->user;
  Result<std::optional<std::string>> owners = co_await owners_of(sender);
  if (!owners)
    co_return refuse(Fault::data, 451, "4.3.0",
                     fmt::format("<{}>: Temporary lookup failure", sender));
  const bool fine =
      *owners ? owns(user, **owners) : unknown_allowed;
  if (fine) co_return Outcome::go_on;
  co_return refuse(Fault::policy, 553, "5.7.1",
                   fmt::format("<{}>: Sender address rejected: not owned by "
                               "user {}", sender, user));
}

// Who has not logged in uses an address that nobody owns.
Task<Access::Outcome> Access::others_sender() {
  const std::string sender = *facts_.sender;
  Result<std::optional<std::string>> owners = co_await owners_of(sender);
  if (!owners)
    co_return refuse(Fault::data, 451, "4.3.0",
                     fmt::format("<{}>: Temporary lookup failure", sender));
  if (!*owners) co_return Outcome::go_on;
  co_return refuse(Fault::policy, 553, "5.7.1",
                   fmt::format("<{}>: Sender address rejected: not logged in",
                               sender));
}

// As written, without extension, the bare name where the domain is ours, the
// domain: the first that is found, of the address as it is resolved. Without
// a table nobody owns anything.
Task<Result<std::optional<std::string>>> Access::owners_of(std::string sender) {
  if (settings_->login_maps.empty()) co_return std::optional<std::string>();
  Result<route::Resolved> resolved =
      co_await questions_.resolve("", std::move(sender));
  if (!resolved) {
    log_.warning(std::string_view(resolved.trouble().text));
    co_return resolved.trouble();
  }
  mail::ExtensionRules rules;
  rules.delimiters = settings_->delimiters;
  ipc::TableFind question;
  question.maps = settings_->login_maps;
  const auto keys = tables::virtual_keys(
      mail::fold_key(resolved->recipient), rules,
      resolved->address_class == route::AddressClass::local);
  question.partial_from = static_cast<std::int64_t>(keys.size());
  for (const tables::Candidate& key : keys) {
    if (key.partial)
      question.partial_from =
          std::min(question.partial_from,
                   static_cast<std::int64_t>(question.keys.size()));
    question.keys.push_back(key.key);
  }
  Result<ipc::TableAnswer> answer =
      co_await questions_.find(std::move(question));
  if (!answer || answer->trouble.present) {
    const Trouble trouble =
        answer ? answer->trouble.trouble() : answer.trouble();
    log_.warning("{}: table lookup problem: {}", settings_->login_maps,
                 trouble.text);
    co_return trouble;
  }
  if (!answer->found) co_return std::optional<std::string>();
  co_return std::optional<std::string>(std::move(answer->value));
}

}  // namespace postern::access
