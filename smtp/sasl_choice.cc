#include "smtp/sasl_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"

namespace postern::smtp {
namespace {

struct Mechanism {
  std::string_view name;
  bool plaintext;   // shows the secret to the server
  bool active;      // is of use to somebody in the middle
  bool mutual;
  bool binds;
  bool token;
};

// Strongest first. All but EXTERNAL and Kerberos, which are not here, can be
// attacked with a dictionary; none is anonymous.
constexpr Mechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", false, false, true, true, false},
    {"SCRAM-SHA-1-PLUS", false, false, true, true, false},
    {"SCRAM-SHA-256", false, false, true, false, false},
    {"SCRAM-SHA-1", false, false, true, false, false},
    {"OAUTHBEARER", true, true, false, false, true},
    {"XOAUTH2", true, true, false, false, true},
    {"CRAM-MD5", false, true, false, false, false},
    {"PLAIN", true, true, false, false, false},
    {"LOGIN", true, true, false, false, false},
};

bool allowed(const Mechanism& one, const SecurityOptions& options) {
  return !(one.plaintext && options.no_plaintext) &&
         !(one.active && options.no_active) && !options.no_dictionary &&
         !(options.mutual && !one.mutual) && !options.forward_secrecy;
}

bool* flag_of(SecurityOptions& options, std::string_view word) {
  if (equal_nocase(word, "noplaintext")) return &options.no_plaintext;
  if (equal_nocase(word, "noactive")) return &options.no_active;
  if (equal_nocase(word, "nodictionary")) return &options.no_dictionary;
  if (equal_nocase(word, "noanonymous")) return &options.no_anonymous;
  if (equal_nocase(word, "mutual_auth")) return &options.mutual;
  if (equal_nocase(word, "forward_secrecy")) return &options.forward_secrecy;
  return nullptr;
}

}  // namespace

Result<SecurityOptions> parse_security_options(std::string_view words) {
  SecurityOptions options;
  for (const std::string& word : split_words(words)) {
    bool* const flag = flag_of(options, word);
    if (flag == nullptr)
      return give_up("3.5", fmt::format("unknown SASL security option value "
                                        "\"{}\"",
                                        word));
    *flag = true;
  }
  return options;
}

std::optional<std::string> choose_mechanism(const Choice& choice) {
  for (const Mechanism& one : mechanisms) {
    const bool offered =
        std::find(choice.offered.begin(), choice.offered.end(), one.name) !=
        choice.offered.end();
    const bool fits = one.token ? choice.token_only || choice.tokens_asked_for
                                : !choice.token_only;
    if (offered && fits && allowed(one, choice.options) &&
        (!one.binds || choice.can_bind))
      return std::string(one.name);
  }
  return std::nullopt;
}

bool for_tokens(std::string_view mechanism) {
  for (const Mechanism& one : mechanisms)
    if (equal_nocase(one.name, mechanism)) return one.token;
  return false;
}

}  // namespace postern::smtp
