// What a server keeps for SCRAM (RFC 5802 3): salt, iterations, StoredKey and
// ServerKey. They check a client's proof and prove the server's knowledge, and
// do not give the password away.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/credentials/digest.h"

namespace postern::credentials {

struct ScramKeys {
  Hash hash = Hash::sha256;
  int iterations = 0;
  std::string salt;
  std::string stored_key;
  std::string server_key;
};

// Of keys that are made new.
inline constexpr int scram_iterations = 10'000;
inline constexpr int least_scram_iterations = 4096;      // RFC 7677 4
inline constexpr int most_scram_iterations = 10'000'000;

ScramKeys make_scram_keys(Hash hash, std::string_view password,
                          std::string_view salt, int iterations);

// "10000,SALT,STORED,SERVER", in base64: the form that Dovecot has for its
// {SCRAM-SHA-1} and {SCRAM-SHA-256}. nullopt: something else.
std::string to_text(const ScramKeys& keys);
std::optional<ScramKeys> scram_keys_from(Hash hash, std::string_view text);

// Is `proof` that of somebody who knows the password? (ClientProof of RFC 5802)
bool proves(const ScramKeys& keys, std::string_view auth_message,
            std::string_view proof);
std::string server_signature(const ScramKeys& keys,
                             std::string_view auth_message);
// The other way round, where the password itself is there to be checked.
bool matches(const ScramKeys& keys, std::string_view password);

}  // namespace postern::credentials
