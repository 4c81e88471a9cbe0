#include "smtp/passwords.h"

#include <vector>

#include "common/credentials/digest.h"
#include "common/tables/address_find.h"

namespace postern::smtp {
namespace {

// The sender's address, then parts of it, which tables of patterns are not
// asked for. `local`: the domain is one of ours, and the user may stand alone.
ipc::TableFind question_by_sender(const PasswordQuestion& question,
                                  const SaslSettings& settings, bool local) {
  ipc::TableFind find;
  find.maps = settings.password_maps;
  mail::ExtensionRules extension;
  extension.delimiters = settings.extension_delimiters;
  tables::KeyList list =
      tables::virtual_key_list(question.sender, extension, local);
  find.keys = std::move(list.keys);
  find.partial_from = list.partial_from;
  return find;
}

ipc::TableFind question_by_server(const PasswordQuestion& question,
                                  const SaslSettings& settings) {
  ipc::TableFind find;
  find.maps = settings.password_maps;
  find.keys = {question.host, question.next_hop};
  find.partial_from = 2;
  return find;
}

}  // namespace

Credentials parse_credentials(std::string_view entry) {
  Credentials out;
  const std::size_t colon = entry.find(':');
  out.user = entry.substr(0, colon);
  if (colon == std::string_view::npos) return out;
  const std::string_view secret = entry.substr(colon + 1);
  if (secret.starts_with("</"))
    out.token_file = secret.substr(1);
  else
    out.password = secret;
  return out;
}

std::string identity_of(const std::optional<Credentials>& credentials) {
  if (!credentials) return "nobody";
  const std::string all = credentials->user + '\0' + credentials->password +
                          '\0' + credentials->token_file;
  return credentials::to_hex(
      credentials::digest(credentials::Hash::sha256, all));
}

Task<Result<std::optional<Credentials>>> find_credentials(
    PasswordQuestion question, const SaslSettings* settings,
    Resolver* resolver) {
  std::optional<Credentials> out;
  if (!settings->enabled || settings->password_maps.empty())
    co_return std::move(out);
  if (settings->sender_dependent && !question.sender.empty()) {
    std::string domain(mail::split_address(question.sender).domain);
    const Result<bool> local =
        co_await resolver->is_local(std::move(domain));
    if (!local) co_return local.trouble();
    ipc::TableFind by_sender =
        question_by_sender(question, *settings, *local);
    Result<ipc::TableAnswer> found =
        co_await resolver->table(std::move(by_sender));
    if (!found) co_return found.trouble();
    if (found->found) {
      out = parse_credentials(found->value);
      co_return std::move(out);
    }
  }
  ipc::TableFind by_server = question_by_server(question, *settings);
  Result<ipc::TableAnswer> found =
      co_await resolver->table(std::move(by_server));
  if (!found) co_return found.trouble();
  if (found->found) out = parse_credentials(found->value);
  co_return std::move(out);
}

}  // namespace postern::smtp
