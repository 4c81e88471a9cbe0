// Passwords as other programs keep them: "{SCHEME}data" in Dovecot's words, or
// a crypt(3) hash. They are checked as they are until the user's next log-in,
// which replaces them with what we keep (keys.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postern::credentials {

// A password of a known scheme. `scheme` is in capitals and without encoding:
// "SHA512-CRYPT", "SSHA256", "PLAIN", …
struct ForeignHash {
  std::string scheme;
  std::string data;  // crypt: the text; otherwise bytes

  bool plain() const { return scheme == "PLAIN"; }
};

// With "{SCHEME}" or "{SCHEME.hex}" in front, or else of `default_scheme`
// ("CRYPT" where crypt(3) knows it). nullopt: a scheme that is not known or
// data that is not of it; `why` then says which.
std::optional<ForeignHash> foreign_hash_from(std::string_view text,
                                             std::string_view default_scheme,
                                             std::string* why);
// The text for the store; foreign_hash_from reads it again.
std::string to_text(const ForeignHash& hash);

bool matches(const ForeignHash& hash, std::string_view password);

// What CRAM-MD5 (RFC 2195) needs of a password: the states of HMAC-MD5 after
// its two pads, 32 bytes, as Dovecot keeps them in hexadecimal.
std::string cram_md5_key(std::string_view password);
// The answer of RFC 2195 in hexadecimal digits.
std::string cram_md5_response(std::string_view key, std::string_view challenge);

}  // namespace postern::credentials
