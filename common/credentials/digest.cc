#include "common/credentials/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include "common/base/panic.h"

namespace postern::credentials {
namespace {

const EVP_MD* algorithm(Hash hash) {
  switch (hash) {
    case Hash::md5: return EVP_md5();
    case Hash::sha1: return EVP_sha1();
    case Hash::sha256: return EVP_sha256();
    case Hash::sha512: return EVP_sha512();
  }
  panic("no such hash function");
}

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::size_t size_of(Hash hash) {
  return static_cast<std::size_t>(EVP_MD_size(algorithm(hash)));
}

std::string digest(Hash hash, std::string_view bytes) {
  std::string out(size_of(hash), '\0');
  unsigned length = 0;
  require(EVP_Digest(bytes.data(), bytes.size(), bytes_of(out), &length,
                     algorithm(hash), nullptr) == 1,
          "a hash function failed");
  return out;
}

std::string hmac(Hash hash, std::string_view key, std::string_view bytes) {
  std::string out(size_of(hash), '\0');
  unsigned length = 0;
  require(HMAC(algorithm(hash), key.empty() ? "" : key.data(),
               static_cast<int>(key.size()), bytes_of(bytes), bytes.size(),
               bytes_of(out), &length) != nullptr,
          "a keyed hash function failed");
  return out;
}

std::string pbkdf2(Hash hash, std::string_view password, std::string_view salt,
                   int iterations) {
  std::string out(size_of(hash), '\0');
  require(PKCS5_PBKDF2_HMAC(password.empty() ? "" : password.data(),
                            static_cast<int>(password.size()), bytes_of(salt),
                            static_cast<int>(salt.size()), iterations,
                            algorithm(hash), static_cast<int>(out.size()),
                            bytes_of(out)) == 1,
          "PBKDF2 failed");
  return out;
}

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         (a.empty() || sodium_memcmp(a.data(), b.data(), a.size()) == 0);
}

std::string random_bytes(std::size_t count) {
  require(sodium_init() >= 0, "libsodium does not start");
  std::string out(count, '\0');
  randombytes_buf(out.data(), count);
  return out;
}

void wipe(std::string& text) {
  sodium_memzero(text.data(), text.size());
  text.clear();
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

std::string from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return {};
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return {};
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

}  // namespace postern::credentials
