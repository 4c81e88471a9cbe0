// Security levels of the client (postconf(5), smtp_tls_security_level).
#pragma once

#include <optional>
#include <string_view>

namespace postern::smtp {

// In order of what they ask for.
enum class TlsLevel {
  none,
  may,      // encrypted where that works
  encrypt,  // encrypted, whoever it is
  fingerprint,
  // DANE although the MX records were not signed
  // (smtp_tls_dane_insecure_mx_policy = dane).
  half_dane,
  dane,       // the certificate is the one that signed TLSA records name
  dane_only,  // as dane, and without such records no mail
  verify,     // trusted, in the name that (unsigned) DNS gave
  secure,     // trusted, in the name of the destination
};

// The words of main.conf; nullopt for others, half_dane among them.
std::optional<TlsLevel> parse_tls_level(std::string_view word);
std::string_view name_of(TlsLevel level);

// Mail goes out encrypted or not at all.
constexpr bool requires_tls(TlsLevel level) { return level > TlsLevel::may; }
// The server must prove who it is.
constexpr bool requires_match(TlsLevel level) {
  return level > TlsLevel::encrypt;
}
constexpr bool by_dane(TlsLevel level) {
  return level == TlsLevel::half_dane || level == TlsLevel::dane ||
         level == TlsLevel::dane_only;
}
// By a chain to an authority that we trust.
constexpr bool by_authorities(TlsLevel level) {
  return level >= TlsLevel::verify;
}

}  // namespace postern::smtp
