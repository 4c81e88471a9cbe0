#include "common/credentials/keys.h"

#include "common/base/text.h"
#include "common/credentials/foreign_hash.h"
#include "common/credentials/saslprep.h"
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

// The ways in which a password may have been made a key of: prepared, which is
// ours, and as it is typed, which is that of many other programs.
class Forms {
 public:
  explicit Forms(std::string_view typed) : forms_{prepared(typed)} {
    if (forms_.front() != typed) forms_.emplace_back(typed);
  }
  ~Forms() {
    for (std::string& form : forms_) wipe(form);
  }
  Forms(const Forms&) = delete;
  Forms& operator=(const Forms&) = delete;

  // The first that `fits`; nullptr: none does.
  template <class Fits>
  const std::string* first(const Fits& fits) const {
    for (const std::string& form : forms_)
      if (fits(form)) return &form;
    return nullptr;
  }
  bool is_prepared(const std::string& form) const {
    return &form == &forms_.front();
  }

 private:
  std::vector<std::string> forms_;
};

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

Keys make_keys(std::string_view given, const Wanted& wanted) {
  Keys keys;
  std::string password = prepared(given);
  std::string hash = argon2id(password, wanted.cost);
  if (hash.empty()) return keys;
  keys.push_back({std::string(argon2id_kind), std::move(hash)});
  if (wanted.scram_sha_256)
    add_scram(keys, Hash::sha256, scram_sha_256_kind, password);
  if (wanted.scram_sha_1)
    add_scram(keys, Hash::sha1, scram_sha_1_kind, password);
  // Clients know no preparing for this one.
  if (wanted.cram_md5)
    keys.push_back({std::string(cram_md5_kind), to_hex(cram_md5_key(given))});
  wipe(password);
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
  Forms forms(password);
  const std::string* own = keys ? find_key(*keys, argon2id_kind) : nullptr;
  if (own != nullptr) {
    const std::string* const right = forms.first([own](const std::string& form) {
      return argon2id_matches(*own, form);
    });
    if (right == nullptr) return {};
    return {true, !forms.is_prepared(*right) ||
                      argon2id_outdated(*own, wanted.cost) ||
                      keys_missing(*keys, wanted)};
  }
  const std::string* imported =
      keys ? find_key(*keys, imported_kind) : nullptr;
  if (imported != nullptr) {
    std::string why;
    const auto hash = foreign_hash_from(*imported, "CRYPT", &why);
    const auto fits = [&hash](const std::string& form) {
      return matches(*hash, form);
    };
    if (hash && forms.first(fits) != nullptr) return {true, true};
  }
  // The same work as for a user of ours.
  forms.first([&nobody](const std::string& form) {
    [[maybe_unused]] const bool never = argon2id_matches(nobody, form);
    return false;
  });
  return {};
}

}  // namespace postern::credentials
