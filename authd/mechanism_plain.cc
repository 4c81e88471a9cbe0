// PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login).
#include "authd/mechanisms.h"
#include "common/base/text.h"
#include "common/credentials/digest.h"

namespace postern::authd {

std::optional<PlainMessage> plain_message(std::string_view text) {
  const std::size_t first = text.find('\0');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = text.find('\0', first + 1);
  if (second == std::string_view::npos ||
      text.find('\0', second + 1) != std::string_view::npos)
    return std::nullopt;
  return PlainMessage{std::string(text.substr(0, first)),
                      std::string(text.substr(first + 1, second - first - 1)),
                      std::string(text.substr(second + 1))};
}

Task<Outcome> StoreBackend::plain(Exchange* exchange) {
  std::optional<std::string> response = co_await exchange->first("");
  if (!response) co_return gone();
  std::optional<PlainMessage> message = plain_message(*response);
  credentials::wipe(*response);
  if (!message) co_return refused("", "not a message of PLAIN");
  const std::string authorized = message->authorized;
  Outcome outcome = co_await users_.log_in(exchange, settings_.realm,
                                           message->user,
                                           std::move(message->password));
  // Nobody acts for others here.
  if (outcome.kind == Outcome::Kind::good && !authorized.empty() &&
      !same_name(authorized, message->user) &&
      !same_name(authorized, outcome.user))
    co_return not_for(std::move(outcome), authorized);
  co_return std::move(outcome);
}

Task<Outcome> StoreBackend::login(Exchange* exchange) {
  std::optional<std::string> name = co_await exchange->first("Username:");
  if (!name) co_return gone();
  std::optional<std::string> password = co_await exchange->ask("Password:");
  if (!password) co_return gone();
  co_return co_await users_.log_in(exchange, settings_.realm, std::move(*name),
                                   std::move(*password));
}

}  // namespace postern::authd
