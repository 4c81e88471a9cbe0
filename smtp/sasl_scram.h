// SCRAM (RFC 5802, RFC 7677), the client's side, with and without channel
// binding.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "smtp/sasl_exchange.h"

namespace postern::smtp {

// "SCRAM-SHA-1", "SCRAM-SHA-256" and these with "-PLUS"; otherwise nullptr.
std::unique_ptr<SaslExchange> make_scram(std::string_view name,
                                         SaslContext context);

// A name with "=" and "," escaped (RFC 5802 5.1).
std::string saslname(std::string_view name);

}  // namespace postern::smtp
