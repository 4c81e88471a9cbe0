#include "common/credentials/scram_keys.h"

#include <catch2/catch.hpp>

#include "common/base/text.h"

using namespace postern;
using namespace postern::credentials;

namespace {

struct Vector {
  const char* name;
  Hash hash;
  const char* salt;
  const char* messages;  // AuthMessage
  const char* proof;
  const char* signature;
};

constexpr Vector vectors[] = {
    {"RFC 5802 section 5", Hash::sha1, "QSXCR+Q6sek8bf92",
     "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVv"
     "WVs7j,s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJ"
     "Y1ZVvWVs7j",
     "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    {"RFC 7677 section 3", Hash::sha256, "W22ZaJ0SNY7soEsUEjb6gQ==",
     "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIl"
     "j)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO"
     "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
     "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

}  // namespace

TEST_CASE("Keys check the proofs of the standards and sign as they do") {
  for (const Vector& each : vectors) {
    CAPTURE(each.name);
    const ScramKeys keys = make_scram_keys(
        each.hash, "pencil", *base64_decode(each.salt), 4096);
    std::string proof = *base64_decode(each.proof);
    CHECK(proves(keys, each.messages, proof));
    CHECK(base64_encode(server_signature(keys, each.messages)) ==
          each.signature);
    CHECK(matches(keys, "pencil"));
    CHECK_FALSE(matches(keys, "pen"));
    CHECK_FALSE(proves(keys, std::string(each.messages) + "x", proof));
    proof[3] = static_cast<char>(proof[3] ^ 1);
    CHECK_FALSE(proves(keys, each.messages, proof));
    CHECK_FALSE(proves(keys, each.messages, ""));
  }
}

TEST_CASE("Keys survive their text") {
  const ScramKeys keys =
      make_scram_keys(Hash::sha256, "pencil", "0123456789abcdef", 5000);
  const auto again = scram_keys_from(Hash::sha256, to_text(keys));
  REQUIRE(again);
  CHECK(again->iterations == 5000);
  CHECK(again->salt == keys.salt);
  CHECK(again->stored_key == keys.stored_key);
  CHECK(again->server_key == keys.server_key);
  CHECK_FALSE(scram_keys_from(Hash::sha1, to_text(keys)));
  for (const char* text :
       {"", "1,2,3", "0,AA==,AA==,AA==", "4096,,x,y", "99999999999,AA==,A,A"}) {
    CAPTURE(text);
    CHECK_FALSE(scram_keys_from(Hash::sha256, text));
  }
}
