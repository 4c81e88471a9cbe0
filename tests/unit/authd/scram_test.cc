#include "authd/scram.h"

#include <catch2/catch.hpp>

#include "common/base/text.h"

using namespace postern;
using namespace postern::authd;
using namespace postern::credentials;

namespace {

ScramKeys keys_of(Hash hash, const char* salt) {
  return make_scram_keys(hash, "pencil", *base64_decode(salt), 4096);
}

// What a client that knows the password says last.
std::string client_last(Hash hash, const std::string& header,
                        const std::string& binding, const std::string& bare,
                        const std::string& challenge) {
  const std::string nonce = challenge.substr(0, challenge.find(','));
  const std::string without_proof =
      "c=" + base64_encode(header + binding) + "," + nonce;
  const std::string auth = bare + "," + challenge + "," + without_proof;
  const std::string salted = pbkdf2(hash, "pencil", "0123456789abcdef", 4096);
  std::string proof = hmac(hash, salted, "Client Key");
  const std::string signature = hmac(hash, digest(hash, proof), auth);
  for (std::size_t i = 0; i < proof.size(); ++i)
    proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  return without_proof + ",p=" + base64_encode(proof);
}

}  // namespace

TEST_CASE("The conversations of the standards") {
  {
    ScramServer server(Hash::sha256, false, {});
    REQUIRE(server.first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
    CHECK(server.user() == "user");
    CHECK(server.challenge(keys_of(Hash::sha256, "W22ZaJ0SNY7soEsUEjb6gQ=="),
                           "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0") ==
          "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7s"
          "oEsUEjb6gQ==,i=4096");
    CHECK(server.last("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNl"
                      "F$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=") ==
          "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  }
  ScramServer server(Hash::sha1, false, {});
  REQUIRE(server.first("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"));
  CHECK(server.challenge(keys_of(Hash::sha1, "QSXCR+Q6sek8bf92"),
                         "3rfcNHYJY1ZVvWVs7j") ==
        "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=409"
        "6");
  CHECK(server.last("c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X"
                    "8v3Bz2T0CJGbJQyF0X+HI4Ts=") ==
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
}

TEST_CASE("First messages that are taken, and that are not") {
  struct Case {
    const char* message;
    bool plus;
    bool bound;  // the session has binding data
    const char* why;
  };
  const Case cases[] = {
      {"n,,n=bob,r=abc", false, false, ""},
      {"n,a=eve,n=bob,r=abc", false, false, ""},
      {"n,,n=bob,r=abc,x=y", false, false, ""},
      {"n,,n=bob,r=abc", false, true, ""},
      {"y,,n=bob,r=abc", false, false, ""},
      {"y,,n=bob,r=abc", false, true, "channel binding was tampered with"},
      {"n,,n=bob,r=abc", true, true,
       "a -PLUS mechanism without channel binding"},
      {"p=tls-exporter,,n=bob,r=abc", true, true, ""},
      {"p=tls-exporter,,n=bob,r=abc", false, true,
       "channel binding without a -PLUS mechanism"},
      {"p=tls-unique,,n=bob,r=abc", true, true,
       "a channel binding that this session does not have"},
      {"p=tls-exporter,,n=bob,r=abc", true, false,
       "a channel binding that this session does not have"},
      {"n,,m=x,n=bob,r=abc", false, false,
       "a SCRAM extension that is not ours"},
      {"n,,n=bo=2Db,r=abc", false, false, "not a SCRAM message"},
      {"n,,n=,r=abc", false, false, "not a SCRAM message"},
      {"n,,n=bob,r=", false, false, "not a SCRAM message"},
      {"n,,r=abc,n=bob", false, false, "not a SCRAM message"},
      {"n,x,n=bob,r=abc", false, false, "not a SCRAM message"},
      {"q,,n=bob,r=abc", false, false, "not a SCRAM message"},
      {"", false, false, "not a SCRAM message"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.message, each.plus, each.bound);
    ScramServer server(Hash::sha256, each.plus,
                       {"", each.bound ? "binding" : "", ""});
    CHECK(server.first(each.message) == (*each.why == '\0'));
    CHECK(server.why() == each.why);
  }
  ScramServer server(Hash::sha256, false, {});
  REQUIRE(server.first("n,a=a=2Cb,n=x=3Dy,r=abc"));
  CHECK(server.user() == "x=y");
  CHECK(server.authorized() == "a,b");
}

TEST_CASE("The channel that the client sees must be the one that we see") {
  const ScramKeys keys =
      make_scram_keys(Hash::sha256, "pencil", "0123456789abcdef", 4096);
  struct Case {
    const char* type;
    const char* seen;  // by the client
    bool good;
  };
  for (const Case& each : {Case{"tls-exporter", "EXPORTER", true},
                           Case{"tls-server-end-point", "ENDPOINT", true},
                           Case{"tls-unique", "UNIQUE", true},
                           Case{"tls-unique", "EXPORTER", false},
                           Case{"tls-exporter", "ENDPOINT", false},
                           Case{"tls-server-end-point", "", false}}) {
    CAPTURE(each.type, each.seen);
    ScramServer server(Hash::sha256, true, {"ENDPOINT", "EXPORTER", "UNIQUE"});
    const std::string header = "p=" + std::string(each.type) + ",,";
    const std::string bare = "n=bob,r=abc";
    REQUIRE(server.first(header + bare));
    const std::string challenge = server.challenge(keys, "xyz");
    CHECK(server
              .last(client_last(Hash::sha256, header, each.seen, bare,
                                challenge))
              .has_value() == each.good);
    CHECK_FALSE(server.wrong_proof());
  }
}

TEST_CASE("Last messages that are not right") {
  const ScramKeys keys =
      make_scram_keys(Hash::sha256, "pencil", "0123456789abcdef", 4096);
  const auto last = [&](const std::string& message, bool* wrong_proof) {
    ScramServer server(Hash::sha256, false, {});
    REQUIRE(server.first("n,,n=bob,r=abc"));
    const std::string challenge = server.challenge(keys, "xyz");
    CHECK(challenge.starts_with("r=abcxyz,"));
    const bool good = server.last(message).has_value();
    *wrong_proof = server.wrong_proof();
    return good;
  };
  bool wrong_proof = false;
  const std::string zeros = base64_encode(std::string(32, '\0'));
  CHECK_FALSE(last("c=biws,r=abcxyz,p=" + zeros, &wrong_proof));
  CHECK(wrong_proof);
  for (const std::string& message :
       {std::string(), std::string("c=biws,r=abcxyz"),
        "c=biws,r=abc,p=" + zeros, "c=eSws,r=abcxyz,p=" + zeros,
        std::string("c=biws,r=abcxyz,p=*")}) {
    CAPTURE(message);
    CHECK_FALSE(last(message, &wrong_proof));
    CHECK_FALSE(wrong_proof);
  }
}
