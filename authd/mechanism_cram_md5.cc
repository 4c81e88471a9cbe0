// CRAM-MD5 (RFC 2195).
#include <ctime>

#include "authd/mechanisms.h"
#include "common/base/text.h"
#include "common/credentials/digest.h"
#include "common/credentials/foreign_hash.h"

namespace postern::authd {

Task<Outcome> StoreBackend::cram_md5(Exchange* exchange) {
  const std::string challenge =
      "<" + credentials::to_hex(credentials::random_bytes(12)) + "." +
      std::to_string(::time(nullptr)) + "@" + settings_.host + ">";
  std::optional<std::string> response = co_await exchange->ask(challenge);
  if (!response) co_return gone();
  const std::size_t space = response->rfind(' ');
  if (space == std::string::npos || space == 0)
    co_return refused("", "not a message of CRAM-MD5");
  const std::string name = response->substr(0, space);
  const std::string proof = to_lower(response->substr(space + 1));
  Users::Found found =
      co_await users_.find(exchange, settings_.realm, name,
                           std::string(credentials::cram_md5_kind));
  if (found.outcome.kind == Outcome::Kind::unavailable)
    co_return std::move(found.outcome);
  const bool right = credentials::same(
      credentials::cram_md5_response(found.cram_md5, challenge), proof);
  if (!right) {
    if (found.outcome.kind == Outcome::Kind::good)
      found.outcome.why = "wrong password";
    co_return wrong(std::move(found.outcome), name);
  }
  if (found.outcome.kind == Outcome::Kind::good) {
    co_await users_.note_login(exchange, found.name);
  }
  co_return std::move(found.outcome);
}

}  // namespace postern::authd
