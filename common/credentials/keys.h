// What the store keeps of a password: a key for each mechanism that it is to
// serve. Next: store.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/credentials/password.h"

namespace postern::credentials {

// In the order in which they are listed.
inline constexpr std::string_view argon2id_kind = "argon2id";
inline constexpr std::string_view scram_sha_256_kind = "scram-sha-256";
inline constexpr std::string_view scram_sha_1_kind = "scram-sha-1";
inline constexpr std::string_view cram_md5_kind = "cram-md5";
inline constexpr std::string_view imported_kind = "imported";

struct Key {
  std::string kind;
  std::string value;
};
using Keys = std::vector<Key>;

const std::string* find_key(const Keys& keys, std::string_view kind);

// Which keys are made besides Argon2id.
struct Wanted {
  Cost cost;
  bool scram_sha_256 = true;
  bool scram_sha_1 = true;
  bool cram_md5 = false;
};
// `mechanisms`: auth_mechanisms, a list of names in any case.
Wanted wanted_for(std::string_view mechanisms, const Cost& cost);

// Of the password as saslprep.h prepares it. Empty: there was no memory for
// Argon2id.
Keys make_keys(std::string_view given, const Wanted& wanted);

// Keys for a password that another program kept: the hash itself where it is
// one of ours, and otherwise under imported_kind. Of a password in the clear
// make_keys() makes them.
struct ForeignHash;
Keys imported_keys(const ForeignHash& hash);

// What a check of a password against a user's keys gives.
struct Checked {
  bool good = false;
  bool outdated = false;  // good, and the keys should be made again
};
// The password counts in its prepared form and as it was typed: other programs'
// hashes may be of either; what is not of the prepared form is outdated.
// Takes as long where `keys` is null, for a user that is not there, as where
// the password is wrong: `nobody` is argon2id_of_nobody().
Checked check(const Keys* keys, std::string_view password,
              const std::string& nobody, const Wanted& wanted);

}  // namespace postern::credentials
