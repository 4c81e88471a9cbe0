// Hash functions by name, for what libsodium does not have: SHA-1 and MD5 of
// SCRAM, CRAM-MD5 and imported passwords, PBKDF2. OpenSSL underneath.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::credentials {

enum class Hash { md5, sha1, sha256, sha512 };

std::size_t size_of(Hash hash);
std::string digest(Hash hash, std::string_view bytes);
std::string hmac(Hash hash, std::string_view key, std::string_view bytes);
// RFC 8018 5.2; the result has the hash's size.
std::string pbkdf2(Hash hash, std::string_view password, std::string_view salt,
                   int iterations);

// In a time that depends on the lengths alone.
bool same(std::string_view a, std::string_view b);
std::string random_bytes(std::size_t count);
// Overwrites the text, its spare capacity left out, and empties it.
void wipe(std::string& text);

std::string to_hex(std::string_view bytes);
// Empty for anything but an even number of hexadecimal digits.
std::string from_hex(std::string_view text);

}  // namespace postern::credentials
