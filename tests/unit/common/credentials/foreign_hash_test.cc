#include "common/credentials/foreign_hash.h"

#include <catch2/catch.hpp>

using namespace postern::credentials;

namespace {

std::optional<ForeignHash> read(std::string_view text,
                                std::string_view scheme = "CRYPT") {
  std::string why;
  auto hash = foreign_hash_from(text, scheme, &why);
  CHECK(hash.has_value() == why.empty());
  return hash;
}

// What Dovecot 2.3 (doveadm pw) makes of this password.
constexpr std::string_view password = "pa ss\"w\xc3\xb6rd";
constexpr const char* of_dovecot[] = {
    "{SHA512-CRYPT}$6$.qNNxtshS3rdcujO$TiLTJT7WgjBmo5vJyy63PPpz2QYfIj7N95RSEq"
    "BeH6FX16y8NgU6PPsRxiXd3TTCpOuFo9gMloKYlJ/jYUjgv0",
    "{SHA256-CRYPT}$5$//3h0CuswsAwZcqe$XjSnmwbbVoTk7HrqvdLx7eemKYjF9MWvyB5n2kg"
    "FihC",
    "{BLF-CRYPT}$2y$05$/df3hkayV5yYs0h/9qYI1u1J7zjE0niOIZ9IFSgTBJotSnQNXqMp2",
    "{MD5-CRYPT}$1$G.fLE8Bc$si1Hl5rCIvEaYF3GtyCPW0",
    "{CRYPT}$2y$05$cEKv.as6RDsF2kP9oPZrGu6DBo/hS/qBZvGRs0Z0tTPRETTQNAlf.",
    "{SSHA}JZ5jpdjJ79x/tg3bvPutg0uK9w6SasjU",
    "{SSHA256}2yWW3D8YVXUe8bIB5G/Yn11W1EzrLj9imIjhCFTXJglsRGAz",
    "{SSHA256.HEX}5de8338c8d83f52a1934d3cd3fcf133431a564c783bf8d9eac84e398403c"
    "1118b643719e",
    "{SSHA512}hXWk+MXRgAf4WqX+6U68l/rRihVe/nC5vYN/eHaBMdwA390fBvLj337iOKtAFjhu"
    "f5gsIIYIH3G1H/RiKDFXHDwRcz8=",
    "{SMD5}BzuDljBZH/Wtd2TerH5p7M/ZA8A=",
    "{PLAIN-MD5}ef7b7cf65e5cea613e534ea1b3b17bc1",
    "{LDAP-MD5}73t89l5c6mE+U06hs7F7wQ==",
    "{SHA1}0SooLFXfOrFo0V5ICIxRUg/A83c=",
    "{SHA256}p8TBGCZJj47YUOHJAIgWhK8ZmhLnvfVtE28mIMFwCls=",
    "{SHA512}aIS2/oOCNF0j1tpvYIRT53WrGF+0V47dApzxCNJGzZJqywyD00jkzOHrxgSVEL0V/"
    "CpevAiBPxKVDf3p4l360A==",
    "{CRAM-MD5}1ee81db24bb22a7d8ff0bccf27b679b2f2c9a0a13f84629a7d713adcc096f65"
    "c",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$9wy7Hn+yp/6uzlk1jjR8mA$AFv3yq+Xq"
    "OR6q5zNJiSPL5wgNlfoyaPOF8kZ8KC4ZvA",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$Ucg/KdppQoh6j0i60VdQ+g$9T1NhXaX5jV"
    "ZSV5jL1/Sc8MjyQ8zJMSvncjo9/FJKuQ",
    "{SCRAM-SHA-1}4096,sgWPKANSXQiH7/dTBiirng==,U29O/Uf/GFxxbmuKgjUTSLHshtg=,b"
    "EWLlIFdYO2p3OSKBRMW0UFUTI8=",
    "{SCRAM-SHA-256}4096,tUiXc+0nucxy9cmuHRsSCg==,D4UgxMnSfj9rj6VJQMVM19lI6XnE"
    "eadE7/IR9fRFs/U=,iF+XQ7p8MBSyJck/uHn0nmRJP6X02vN0n3ujzDKxWIM=",
    "{PLAIN}pa ss\"w\xc3\xb6rd",
};

}  // namespace

TEST_CASE("Hashes that Dovecot made are checked") {
  for (const char* text : of_dovecot) {
    CAPTURE(text);
    const auto hash = read(text);
    REQUIRE(hash);
    CHECK(matches(*hash, password));
    CHECK_FALSE(matches(*hash, "pa ss\"word"));
    CHECK_FALSE(matches(*hash, ""));
    const auto again = read(to_text(*hash));
    REQUIRE(again);
    CHECK(again->scheme == hash->scheme);
    CHECK(again->data == hash->data);
  }
}

TEST_CASE("A hash without a scheme is of the default one") {
  const auto crypt = read("$1$G.fLE8Bc$si1Hl5rCIvEaYF3GtyCPW0");
  REQUIRE(crypt);
  CHECK(matches(*crypt, password));
  const auto plain = read("secret", "plain");
  REQUIRE(plain);
  CHECK(plain->plain());
  CHECK(matches(*plain, "secret"));
}

TEST_CASE("What is no hash of its scheme is refused with the reason") {
  const std::pair<const char*, const char*> cases[] = {
      {"{NTLM}00112233", "the scheme NTLM is not known"},
      {"{SSHA}bogus", "what follows is not of scheme SSHA"},
      {"{SSHA}0SooLFXfOrFo0V5ICIxRUg/A83c=",  // without a salt
       "what follows is not of scheme SSHA"},
      {"{SHA256}AAAA", "what follows is not of scheme SHA256"},
      {"{SHA512-CRYPT}secret", "what follows is not of scheme CRYPT"},
      {"{CRAM-MD5}12", "what follows is not of scheme CRAM-MD5"},
      {"{SCRAM-SHA-256}4096,AA==,AA==,AA==",
       "what follows is not of scheme SCRAM-SHA-256"},
      {"{PLAIN}", "what follows is not of scheme PLAIN"},
      {"{PLAIN", "a \"{\" without \"}\""},
      {"*", "what follows is not of scheme CRYPT"},
      {"", "what follows is not of scheme CRYPT"},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    std::string why;
    CHECK_FALSE(foreign_hash_from(text, "CRYPT", &why));
    CHECK(why == expected);
  }
}

TEST_CASE("CRAM-MD5 answers as in RFC 2195") {
  const std::string key = cram_md5_key("tanstaaftanstaaf");
  CHECK(cram_md5_response(key, "<1896.697170952@postoffice.reston.mci.net>") ==
        "b913a602c7eda7a495b4e6e7334d3890");
  // A password longer than a block is hashed first (RFC 2104).
  CHECK(cram_md5_response(cram_md5_key(std::string(80, '\xaa')),
                          "Test Using Larger Than Block-Size Key - Hash Key "
                          "First") == "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
}
