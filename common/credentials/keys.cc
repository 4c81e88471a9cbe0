#include "common/credentials/keys.h"

#include "common/base/text.h"
#include "common/credentials/foreign_hash.h"
#include "common/credentials/scram_keys.h"

namespace postern::credentials {
namespace {

constexpr std::size_t salt_size = 16;

void add_scram(Keys& keys, Hash hash, std::string_view kind,
               std::string_view password) {
  keys.push_back({std::string(kind),
                  to_text(make_scram_keys(hash, password,
                                          random_bytes(salt_size),
                                          scram_iterations))});
}

bool keys_missing(const Keys& keys, const Wanted& wanted) {
  return (wanted.scram_sha_256 && !find_key(keys, scram_sha_256_kind)) ||
         (wanted.scram_sha_1 && !find_key(keys, scram_sha_1_kind));
}

}  // namespace

const std::string* find_key(const Keys& keys, std::string_view kind) {
  for (const Key& each : keys)
    if (each.kind == kind) return &each.value;
  return nullptr;
}

Wanted wanted_for(std::string_view mechanisms, const Cost& cost) {
  Wanted wanted{cost, false, false, false};
  for (const std::string& word : split_words(mechanisms)) {
    const std::string name = to_lower(word);
    if (name.starts_with("scram-sha-256")) wanted.scram_sha_256 = true;
    if (name == "scram-sha-1" || name == "scram-sha-1-plus")
      wanted.scram_sha_1 = true;
  }
  return wanted;
}

Keys make_keys(std::string_view password, const Wanted& wanted) {
  Keys keys;
  std::string hash = argon2id(password, wanted.cost);
  if (hash.empty()) return keys;
  keys.push_back({std::string(argon2id_kind), std::move(hash)});
  if (wanted.scram_sha_256)
    add_scram(keys, Hash::sha256, scram_sha_256_kind, password);
  if (wanted.scram_sha_1)
    add_scram(keys, Hash::sha1, scram_sha_1_kind, password);
  if (wanted.cram_md5)
    keys.push_back(
        {std::string(cram_md5_kind), to_hex(cram_md5_key(password))});
  return keys;
}

Keys imported_keys(const ForeignHash& hash) {
  if (hash.scheme == "ARGON2" && hash.data.starts_with("$argon2id$"))
    return {{std::string(argon2id_kind), hash.data}};
  Keys keys;
  if (hash.scheme == "CRAM-MD5")
    keys.push_back({std::string(cram_md5_kind), to_hex(hash.data)});
  keys.push_back({std::string(imported_kind), to_text(hash)});
  if (hash.scheme == "SCRAM-SHA-1")
    keys.push_back({std::string(scram_sha_1_kind), hash.data});
  if (hash.scheme == "SCRAM-SHA-256")
    keys.push_back({std::string(scram_sha_256_kind), hash.data});
  return keys;
}

Checked check(const Keys* keys, std::string_view password,
              const std::string& nobody, const Wanted& wanted) {
  const std::string* own = keys ? find_key(*keys, argon2id_kind) : nullptr;
  if (own != nullptr) {
    const bool good = argon2id_matches(*own, password);
    return {good, good && (argon2id_outdated(*own, wanted.cost) ||
                           keys_missing(*keys, wanted))};
  }
  const std::string* imported =
      keys ? find_key(*keys, imported_kind) : nullptr;
  if (imported != nullptr) {
    std::string why;
    const auto hash = foreign_hash_from(*imported, "CRYPT", &why);
    if (hash && matches(*hash, password)) return {true, true};
  }
  // The same work as for a user of ours.
  [[maybe_unused]] const bool never = argon2id_matches(nobody, password);
  return {};
}

}  // namespace postern::credentials
