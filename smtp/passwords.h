// Who to be for which server: smtp_sasl_password_maps.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/loop/task.h"
#include "smtp/route.h"
#include "smtp/sasl_exchange.h"
#include "smtp/sasl_settings.h"

namespace postern::smtp {

// "user:password", or "user:</path/of/a/token": the first line of that file,
// read at each login, for XOAUTH2 and OAUTHBEARER.
Credentials parse_credentials(std::string_view entry);

// Tells credentials apart without showing them.
std::string identity_of(const std::optional<Credentials>& credentials);

struct PasswordQuestion {
  std::string sender;    // of the envelope
  std::string host;      // the server's name
  std::string next_hop;  // as it stands in transport tables: "[host]:587"
};

// By sender where that is wanted (the bare user too where the domain is one of
// ours), then by host, then by next hop; nullopt: no entry, the server is
// talked to without a login. Trouble: a table did not answer. Borrows what it
// points at.
Task<Result<std::optional<Credentials>>> find_credentials(
    PasswordQuestion question, const SaslSettings* settings,
    Resolver* resolver);

}  // namespace postern::smtp
