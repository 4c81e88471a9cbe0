// The pure parts: lists of protocols, ciphers and options, and names.
#include <catch2/catch.hpp>

#include "common/tls/ciphers.h"
#include "common/tls/facts.h"
#include "common/tls/names.h"
#include "common/tls/protocols.h"
#include "common/tls/settings.h"

using namespace postern;
using namespace postern::tls;

TEST_CASE("protocol lists are read in every spelling in use") {
  struct Case {
    const char* list;
    Protocols expected;
  };
  const unsigned old = ssl2 | ssl3;
  const Case cases[] = {
      {"", {}},
      {">=TLSv1", {0, 0x0301, 0}},
      {">= TLSv1.2", {0, 0x0303, 0}},
      {">=TLSv1.2, <=TLSv1.3", {0, 0x0303, 0x0304}},
      {"!SSLv2, !SSLv3", {old, 0, 0}},
      {"!SSLv2,!SSLv3,!TLSv1,!TLSv1.1", {old | tls1 | tls1_1, 0, 0}},
      {"!SSLv2 !SSLv3", {old, 0, 0}},
      {"! sslv2 , !sslv3", {old, 0, 0}},
      {"!SSLv2:!SSLv3", {old, 0, 0}},
      {"TLSv1.2 TLSv1.3", {old | tls1 | tls1_1, 0, 0}},
      {"SSLv3, TLSv1", {ssl2 | tls1_1 | tls1_2 | tls1_3, 0, 0}},
      {"TLSv1.2, !TLSv1.2", {old | tls1 | tls1_1 | tls1_2 | tls1_3, 0, 0}},
      {">=0x0303", {0, 0x0303, 0}},
      {">=0303", {0, 0x0303, 0}},
      {"<=304", {0, 0, 0x0304}},
      {"!TLSv1.0", {tls1, 0, 0}},
      {"tlsv1.3", {old | tls1 | tls1_1 | tls1_2, 0, 0}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.list);
    const Result<Protocols> got = parse_protocols(c.list);
    REQUIRE(got.ok());
    CHECK(*got == c.expected);
  }
}

TEST_CASE("a protocol that does not exist is named") {
  for (const char* list : {"TLSv9", ">=", ">=SSLv9", "!", "<=0x1", ">=xyz"}) {
    CAPTURE(list);
    const Result<Protocols> got = parse_protocols(list);
    REQUIRE_FALSE(got.ok());
    CHECK(got.trouble().text.find("no") != std::string::npos);
  }
}

TEST_CASE("a cipher grade becomes a list without the exclusions") {
  const CipherGrades grades{"HIGH", "HIGH:MEDIUM", "LOW", "EXPORT", "eNULL"};
  struct Case {
    const char *grade, *exclude, *expected;
  };
  const Case cases[] = {
      {"high", "", "HIGH"},
      {"MEDIUM", "", "HIGH:MEDIUM"},
      {"medium", "aNULL, MD5 RC4:kEDH+RC4",
       "HIGH:MEDIUM:!aNULL:!MD5:!RC4:!kEDH+RC4"},
      {"null", "", "eNULL"},
      {"export", "", "EXPORT"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.grade, c.exclude);
    const Result<std::string> got = cipher_list(grades, c.grade, c.exclude);
    REQUIRE(got.ok());
    CHECK(*got == c.expected);
  }
  CHECK_FALSE(cipher_list(grades, "best", "").ok());
  CHECK_FALSE(cipher_list(grades, "high", "!MD5").ok());
  CHECK_FALSE(cipher_list(grades, "high", "@SECLEVEL=5").ok());
}

TEST_CASE("options of OpenSSL have names and numbers") {
  CHECK(parse_options("").value() == 0);
  CHECK(parse_options("NO_TICKET").value() == 1u << 14);
  CHECK(parse_options("no_ticket, 0x1").value() == ((1u << 14) | 1u));
  CHECK_FALSE(parse_options("NO_SUCH_THING").ok());
  CHECK_FALSE(parse_options("0x").ok());
  CHECK(parse_workarounds("TLS_D5_BUG").value() == 0);
  CHECK(parse_workarounds("DONT_INSERT_EMPTY_FRAGMENTS").value() == 1u << 11);
  CHECK_FALSE(parse_workarounds("NO_SUCH_BUG").ok());
}

TEST_CASE("fingerprints are compared whatever their case and colons") {
  CHECK(same_fingerprint("AB:CD:01", "abcd01"));
  CHECK_FALSE(same_fingerprint("AB:CD:01", "abcd02"));
  CHECK_FALSE(same_fingerprint("", ""));
}

TEST_CASE("a connection is described in Postfix's words") {
  Facts facts;
  facts.protocol = "TLSv1.3";
  facts.cipher = "TLS_AES_256_GCM_SHA384";
  facts.used_bits = facts.algorithm_bits = 256;
  facts.exchange = "X25519";
  facts.server_signature = {"RSA-PSS", "", 2048, "SHA256"};
  CHECK(connection_line(facts, "from", "a[192.0.2.1]") ==
        "Anonymous TLS connection established from a[192.0.2.1]: TLSv1.3 with "
        "cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 "
        "server-signature RSA-PSS (2048 bits) server-digest SHA256");
  facts.peer.present = true;
  facts.resumed = true;
  facts.server_name = "alt.example.com";
  facts.server_signature = {"ECDSA", "prime256v1", 0, "SHA256"};
  facts.client_signature = {"ED25519", "", 0, ""};
  CHECK(connection_line(facts, "from", "a[192.0.2.1]") ==
        "Untrusted TLS connection established from a[192.0.2.1] to alt.example.com: "
        "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) "
        "key-exchange X25519 server-signature ECDSA (prime256v1) "
        "server-digest SHA256 client-signature ED25519");
}
