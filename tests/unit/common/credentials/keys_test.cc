#include "common/credentials/keys.h"

#include <catch2/catch.hpp>

#include "common/credentials/digest.h"
#include "common/credentials/foreign_hash.h"

using namespace postern::credentials;

namespace {

const Cost cheap{8192, 1};

ForeignHash hash_of(const char* text) {
  std::string why;
  const auto hash = foreign_hash_from(text, "CRYPT", &why);
  REQUIRE(hash);
  return *hash;
}

}  // namespace

TEST_CASE("Keys are made for the mechanisms that are offered") {
  struct Case {
    const char* mechanisms;
    bool sha256, sha1;
  };
  for (const Case& each : {Case{"plain, login", false, false},
                           Case{"PLAIN SCRAM-SHA-256", true, false},
                           Case{"scram-sha-256-plus", true, false},
                           Case{"scram-sha-1", false, true},
                           Case{"scram-sha-1-plus,plain", false, true}}) {
    CAPTURE(each.mechanisms);
    const Keys keys =
        make_keys("secret", wanted_for(each.mechanisms, cheap));
    CHECK(find_key(keys, argon2id_kind) != nullptr);
    CHECK((find_key(keys, scram_sha_256_kind) != nullptr) == each.sha256);
    CHECK((find_key(keys, scram_sha_1_kind) != nullptr) == each.sha1);
    CHECK(find_key(keys, cram_md5_kind) == nullptr);
    for (const Key& key : keys)
      CHECK(key.value.find("secret") == std::string::npos);
  }
}

TEST_CASE("A check says whether the password is right and the keys are old") {
  const std::string nobody = argon2id_of_nobody(cheap);
  const Wanted wanted{cheap, true, true, false};
  const Wanted dearer{{16384, 2}, true, true, false};
  const Keys fresh = make_keys("secret", wanted);
  const Keys bare = make_keys("secret", Wanted{cheap, false, false, false});
  const Keys foreign = imported_keys(hash_of("{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ="));

  CHECK(check(&fresh, "secret", nobody, wanted).good);
  CHECK_FALSE(check(&fresh, "secret", nobody, wanted).outdated);
  CHECK(check(&fresh, "secret", nobody, dearer).outdated);
  CHECK(check(&bare, "secret", nobody, wanted).outdated);
  CHECK_FALSE(check(&fresh, "Secret", nobody, dearer).good);
  CHECK_FALSE(check(&fresh, "Secret", nobody, dearer).outdated);
  CHECK(check(&foreign, "secret", nobody, wanted).good);
  CHECK(check(&foreign, "secret", nobody, wanted).outdated);
  CHECK_FALSE(check(&foreign, "Secret", nobody, wanted).good);
  CHECK_FALSE(check(nullptr, "secret", nobody, wanted).good);
}

TEST_CASE("Hashes that are of our kinds are taken over as they are") {
  const std::string argon = argon2id("secret", cheap);
  const Keys keys = imported_keys(hash_of(("{ARGON2ID}" + argon).c_str()));
  REQUIRE(keys.size() == 1);
  CHECK(keys[0].kind == argon2id_kind);
  CHECK(argon2id_matches(keys[0].value, "secret"));
  const std::string cram = "{CRAM-MD5}" + to_hex(cram_md5_key("secret"));
  const Keys both = imported_keys(hash_of(cram.c_str()));
  CHECK(find_key(both, cram_md5_kind) != nullptr);
  CHECK(find_key(both, imported_kind) != nullptr);
}

TEST_CASE("A password is right however its characters are written") {
  const std::string nobody = argon2id_of_nobody(cheap);
  const Wanted wanted{cheap, true, true, true};
  const std::string composed = "caf\u00e9\u00aa", apart = "cafe\u0301a";
  const Keys keys = make_keys(composed, wanted);
  for (const std::string& each : {composed, apart, apart + "\u00ad"}) {
    CAPTURE(each);
    CHECK(check(&keys, each, nobody, wanted).good);
    CHECK_FALSE(check(&keys, each, nobody, wanted).outdated);
  }
  CHECK_FALSE(check(&keys, "cafea", nobody, wanted).good);
  CHECK(*find_key(keys, cram_md5_kind) == to_hex(cram_md5_key(composed)));
  // What cannot be prepared counts byte for byte.
  const Keys latin = make_keys("caf\xe9", wanted);
  CHECK(check(&latin, "caf\xe9", nobody, wanted).good);
  CHECK_FALSE(check(&latin, "caf\u00e9", nobody, wanted).good);
}

TEST_CASE("Another program's key may be of the bytes as they were typed") {
  const std::string nobody = argon2id_of_nobody(cheap);
  const Wanted wanted{cheap, false, false, false};
  const std::string typed = "na\u00aav";
  const Keys foreign = {
      {std::string(argon2id_kind), argon2id(typed, cheap)}};
  CHECK(check(&foreign, typed, nobody, wanted).good);
  CHECK(check(&foreign, typed, nobody, wanted).outdated);
  CHECK_FALSE(check(&foreign, "naav", nobody, wanted).good);
  const Keys ours = make_keys(typed, wanted);
  CHECK(check(&ours, "naav", nobody, wanted).good);
}
