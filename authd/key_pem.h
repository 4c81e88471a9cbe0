// Certificates and keys as they stand in files (PEM), put together and
// checked. Pure but for OpenSSL.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/evp.h>

#include "common/base/result.h"

namespace postern::authd {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using PrivateKey = std::unique_ptr<EVP_PKEY, FreeKey>;

// A private key with its certificate and what leads to the authority.
struct KeyedChain {
  PrivateKey key;
  std::string key_name;  // a digest of the public key
  std::vector<std::string> certificates;  // DER, the own one first
  bool server_algorithm = true;  // RSA, ECDSA or Ed25519
};
using KeyedChains = std::vector<std::shared_ptr<const KeyedChain>>;

// …_tls_cert_file and its key file. `certificate_file` and `key_file` are for
// messages. Trouble: what is missing or broken, or that the two do not belong
// together.
Result<KeyedChains> chain_of_pair(std::string_view certificate_pem,
                                  const std::string& certificate_file,
                                  std::string_view key_pem,
                                  const std::string& key_file);

// …_tls_chain_files: keys, each followed by its certificates, in one or more
// files joined. `where` is for messages.
Result<KeyedChains> chains_of(std::string_view pem, const std::string& where);

}  // namespace postern::authd
