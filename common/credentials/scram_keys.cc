#include "common/credentials/scram_keys.h"

#include <vector>

#include "common/base/text.h"

namespace postern::credentials {

ScramKeys make_scram_keys(Hash hash, std::string_view password,
                          std::string_view salt, int iterations) {
  std::string salted = pbkdf2(hash, password, salt, iterations);
  std::string client_key = hmac(hash, salted, "Client Key");
  ScramKeys keys{hash, iterations, std::string(salt), digest(hash, client_key),
                 hmac(hash, salted, "Server Key")};
  wipe(salted);
  wipe(client_key);
  return keys;
}

std::string to_text(const ScramKeys& keys) {
  return std::to_string(keys.iterations) + "," + base64_encode(keys.salt) +
         "," + base64_encode(keys.stored_key) + "," +
         base64_encode(keys.server_key);
}

std::optional<ScramKeys> scram_keys_from(Hash hash, std::string_view text) {
  const std::vector<std::string> parts = split(text, ',');
  if (parts.size() != 4) return std::nullopt;
  const auto iterations = parse_number(parts[0]);
  if (!iterations || *iterations < 1 || *iterations > most_scram_iterations)
    return std::nullopt;
  auto salt = base64_decode(parts[1]);
  auto stored = base64_decode(parts[2]);
  auto server = base64_decode(parts[3]);
  if (!salt || salt->empty() || !stored || !server ||
      stored->size() != size_of(hash) || server->size() != size_of(hash))
    return std::nullopt;
  return ScramKeys{hash, static_cast<int>(*iterations), std::move(*salt),
                   std::move(*stored), std::move(*server)};
}

bool proves(const ScramKeys& keys, std::string_view auth_message,
            std::string_view proof) {
  if (proof.size() != size_of(keys.hash)) return false;
  std::string client_key = hmac(keys.hash, keys.stored_key, auth_message);
  for (std::size_t i = 0; i < client_key.size(); ++i)
    client_key[i] = static_cast<char>(client_key[i] ^ proof[i]);
  return same(digest(keys.hash, client_key), keys.stored_key);
}

std::string server_signature(const ScramKeys& keys,
                             std::string_view auth_message) {
  return hmac(keys.hash, keys.server_key, auth_message);
}

bool matches(const ScramKeys& keys, std::string_view password) {
  const ScramKeys made =
      make_scram_keys(keys.hash, password, keys.salt, keys.iterations);
  return same(made.stored_key, keys.stored_key);
}

}  // namespace postern::credentials
