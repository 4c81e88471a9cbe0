// SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 7677, 5802), -PLUS with channel binding.
#include "authd/mechanisms.h"
#include "authd/scram.h"
#include "common/base/text.h"
#include "common/credentials/digest.h"

namespace postern::authd {
namespace {

constexpr std::size_t nonce_size = 18;

std::string nonce() {
  return base64_encode(credentials::random_bytes(nonce_size));
}

}  // namespace

Task<Outcome> StoreBackend::scram(Exchange* exchange) {
  const std::string& mechanism = exchange->line().mechanism;
  const bool sha1 = mechanism.starts_with("SCRAM-SHA-1");
  const std::string kind(sha1 ? credentials::scram_sha_1_kind
                              : credentials::scram_sha_256_kind);
  ScramServer server(
      sha1 ? credentials::Hash::sha1 : credentials::Hash::sha256,
      mechanism.ends_with("-PLUS"),
      {exchange->session().endpoint_binding,
       exchange->session().exporter_binding,
       exchange->session().unique_binding});

  std::optional<std::string> response = co_await exchange->first("");
  if (!response) co_return gone();
  if (!server.first(*response)) co_return refused("", server.why());
  Users::Found found = co_await users_.find(exchange, settings_.realm,
                                            server.user(), kind);
  if (found.outcome.kind == Outcome::Kind::unavailable)
    co_return std::move(found.outcome);

  response = co_await exchange->ask(server.challenge(found.scram, nonce()));
  if (!response) co_return gone();
  const std::optional<std::string> last = server.last(*response);
  if (!last) {
    const bool known = found.outcome.kind == Outcome::Kind::good;
    if (known || !server.wrong_proof()) found.outcome.why = server.why();
    co_return wrong(std::move(found.outcome), server.user());
  }
  if (found.outcome.kind != Outcome::Kind::good)
    co_return std::move(found.outcome);
  if (!server.authorized().empty() &&
      !same_name(server.authorized(), server.user()) &&
      !same_name(server.authorized(), found.name)) {
    co_return not_for(std::move(found.outcome), server.authorized());
  }
  co_await users_.note_login(exchange, found.name);
  found.outcome.last = *last;
  co_return std::move(found.outcome);
}

}  // namespace postern::authd
