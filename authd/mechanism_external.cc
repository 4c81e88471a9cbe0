// EXTERNAL (RFC 4422 appendix A): the client's certificate says who it is. The
// user must be in the store, as for all other mechanisms.
#include "authd/mechanisms.h"
#include "common/base/text.h"

namespace postern::authd {

Task<Outcome> StoreBackend::external(Exchange* exchange) {
  std::optional<std::string> response = co_await exchange->first("");
  if (!response) co_return gone();
  const Session& session = exchange->session();
  if (!session.valid_certificate || session.certificate_name.empty())
    co_return refused(*response, "no certificate that says who it is");
  if (!response->empty() && !equal_nocase(*response, session.certificate_name)) {
    co_return not_for(refused(session.certificate_name, ""), *response);
  }
  Users::Found found =
      co_await users_.find(exchange, settings_.realm, session.certificate_name,
                           "");
  if (found.outcome.kind == Outcome::Kind::good) {
    co_await users_.note_login(exchange, found.name);
  }
  co_return std::move(found.outcome);
}

}  // namespace postern::authd
