// The mechanisms of the user store: PLAIN (RFC 4616), LOGIN, CRAM-MD5
// (RFC 2195), SCRAM (RFC 5802, 7677) and EXTERNAL (RFC 4422 A). Each is one
// conversation, in a mechanism_*.cc of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "authd/exchange.h"
#include "authd/users.h"
#include "common/log/log.h"

namespace postern::authd {

struct MechanismSettings {
  std::vector<std::string> names;  // auth_mechanisms, in capitals
  std::string realm;               // completes names without one
  std::string host;                // in challenges
};

class StoreBackend final : public Backend {
 public:
  // `users` must outlive it.
  StoreBackend(MechanismSettings settings, Users& users, log::Log log)
      : settings_(std::move(settings)), users_(users), log_(std::move(log)) {}

  Task<std::vector<MechanismOffer>> mechanisms() override;
  Task<Outcome> run(Exchange* exchange) override;

 private:
  Task<Outcome> plain(Exchange* exchange);
  Task<Outcome> login(Exchange* exchange);
  Task<Outcome> cram_md5(Exchange* exchange);
  Task<Outcome> scram(Exchange* exchange);
  Task<Outcome> external(Exchange* exchange);

  MechanismSettings settings_;
  Users& users_;
  log::Log log_;
};

// What is offered of `names` where the store holds these kinds of keys. SCRAM
// is left out while a user who may log in has no key for it: his client would
// choose it, and fail, where PLAIN would let him in and make the key.
std::vector<MechanismOffer> offers(const std::vector<std::string>& names,
                                   const credentials::Store::Kinds& kinds,
                                   bool saslauthd);

// Do both stand for one user (saslprep.h)?
bool same_name(std::string_view a, std::string_view b);

// The message of PLAIN; nullopt: something else.
struct PlainMessage {
  std::string authorized;
  std::string user;
  std::string password;
};
std::optional<PlainMessage> plain_message(std::string_view text);

}  // namespace postern::authd
