#include "common/credentials/password.h"

#include <sodium.h>

#include "common/base/panic.h"
#include "common/credentials/digest.h"

namespace postern::credentials {

std::string argon2id(std::string_view password, const Cost& cost) {
  require(sodium_init() >= 0, "libsodium does not start");
  char out[crypto_pwhash_STRBYTES] = "";
  if (crypto_pwhash_str(out, password.data(), password.size(),
                        static_cast<unsigned long long>(cost.passes),
                        static_cast<std::size_t>(cost.memory)) != 0)
    return {};
  return out;
}

bool argon2id_matches(std::string_view hash, std::string_view password) {
  // It reads to the end of a fixed array.
  char text[crypto_pwhash_STRBYTES] = "";
  if (hash.size() >= sizeof text) return false;
  hash.copy(text, hash.size());
  return crypto_pwhash_str_verify(text, password.data(), password.size()) == 0;
}

bool argon2id_outdated(std::string_view hash, const Cost& cost) {
  char text[crypto_pwhash_STRBYTES] = "";
  if (hash.size() >= sizeof text) return true;
  hash.copy(text, hash.size());
  return crypto_pwhash_str_needs_rehash(
             text, static_cast<unsigned long long>(cost.passes),
             static_cast<std::size_t>(cost.memory)) != 0;
}

std::string argon2id_of_nobody(const Cost& cost) {
  return argon2id(random_bytes(32), cost);
}

}  // namespace postern::credentials
