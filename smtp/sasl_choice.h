// Which mechanism to log in with: what the server offers, what main.conf
// allows, what the credentials are good for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace postern::smtp {

// smtp_sasl_security_options: what a mechanism must not be, or must.
struct SecurityOptions {
  bool no_plaintext = false;   // the password, or a token, could be read
  bool no_active = false;      // somebody in the middle could use it
  bool no_dictionary = false;  // a password could be guessed from what is seen
  bool no_anonymous = false;
  bool mutual = false;           // the server must prove itself too
  bool forward_secrecy = false;  // no mechanism here has it
  bool operator==(const SecurityOptions&) const = default;
};
// Trouble names the word that is no option.
Result<SecurityOptions> parse_security_options(std::string_view words);

struct Choice {
  std::vector<std::string> offered;  // upper case
  SecurityOptions options;
  bool can_bind = false;   // the TLS connection has a channel binding
  bool token_only = false; // the credentials are a token
  // Was a mechanism for tokens named by smtp_sasl_mechanism_filter?
  bool tokens_asked_for = false;
};

// The strongest that fits; nullopt: none. Mechanisms for tokens are used where
// the operator has asked for them: a password is not for them.
std::optional<std::string> choose_mechanism(const Choice& choice);

// XOAUTH2, OAUTHBEARER.
bool for_tokens(std::string_view mechanism);

}  // namespace postern::smtp
