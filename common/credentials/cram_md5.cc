// HMAC-MD5 from its half-way states. OpenSSL has them behind an interface that
// it calls deprecated, and none besides.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>

#include "common/credentials/digest.h"
#include "common/credentials/foreign_hash.h"

namespace postern::credentials {
namespace {

constexpr std::size_t block = 64;

void put(std::string& out, MD5_LONG word) {
  for (int i = 0; i < 4; ++i) out += static_cast<char>(word >> (8 * i) & 255);
}

MD5_LONG get(std::string_view bytes, std::size_t at) {
  MD5_LONG word = 0;
  for (std::size_t i = 4; i-- > 0;)
    word = word << 8 | static_cast<unsigned char>(bytes[at + i]);
  return word;
}

std::string state_after(std::string_view key, char pad) {
  std::string padded(key);
  padded.resize(block, '\0');
  for (char& c : padded) c = static_cast<char>(c ^ pad);
  MD5_CTX context;
  MD5_Init(&context);
  MD5_Update(&context, padded.data(), padded.size());
  wipe(padded);
  std::string out;
  for (const MD5_LONG word : {context.A, context.B, context.C, context.D})
    put(out, word);
  return out;
}

std::string finish(std::string_view state, std::string_view bytes) {
  MD5_CTX context;
  MD5_Init(&context);
  context.A = get(state, 0);
  context.B = get(state, 4);
  context.C = get(state, 8);
  context.D = get(state, 12);
  context.Nl = block * 8;
  MD5_Update(&context, bytes.data(), bytes.size());
  std::string out(MD5_DIGEST_LENGTH, '\0');
  MD5_Final(reinterpret_cast<unsigned char*>(out.data()), &context);
  return out;
}

}  // namespace

std::string cram_md5_key(std::string_view password) {
  std::string key = password.size() > block ? digest(Hash::md5, password)
                                            : std::string(password);
  std::string out = state_after(key, 0x5c) + state_after(key, 0x36);
  wipe(key);
  return out;
}

std::string cram_md5_response(std::string_view key,
                              std::string_view challenge) {
  if (key.size() != 32) return {};
  return to_hex(finish(key.substr(0, 16), finish(key.substr(16), challenge)));
}

}  // namespace postern::credentials
