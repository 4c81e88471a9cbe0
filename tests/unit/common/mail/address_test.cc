// Address forms, domain names, literals, folding, extensions (address.h).
#include "common/mail/address.h"

#include <catch2/catch.hpp>

using namespace postern::mail;

namespace {

struct Form {
  const char* internal;
  const char* external;
};
const Form forms[] = {
    {"", ""},
    {"a@b", "a@b"},
    {"a b@c", "\"a b\"@c"},
    {"a..b@c", "\"a..b\"@c"},
    {".a@c", "\".a\"@c"},
    {"a.@c", "\"a.\"@c"},
    {"a@b@c", "\"a@b\"@c"},
    {"a\"b@c", "\"a\\\"b\"@c"},
    {"a\\b@c", "\"a\\\\b\"@c"},
    {"@c", "\"\"@c"},
    {"a;b", "\"a;b\""},
    {"a|b/c=d@e", "a|b/c=d@e"},
    {"j\xc3\xbcrgen@c", "j\xc3\xbcrgen@c"},
    {"a@[1.2.3.4]", "a@[1.2.3.4]"},
    {"a\x01@c", "\"a\x01\"@c"},
};

}  // namespace

TEST_CASE("addresses go from internal to external form and back",
          "[mail][address]") {
  for (const Form& form : forms) {
    CAPTURE(form.internal);
    CHECK(quote_local_821(form.internal) == form.external);
    CHECK(quote_local_822(form.internal) == form.external);
    CHECK(unquote_local(form.external) == form.internal);
  }
  CHECK(unquote_local("\"a\"@b") == "a@b");
  CHECK(unquote_local("a\\ b@c") == "a b@c");
  CHECK(unquote_local("\"unclosed@x") == "unclosed@x");
  CHECK(unquote_local("a\\") == "a\\");
}

TEST_CASE("an address is split at its last @", "[mail][address]") {
  const AddressParts parts = split_address("a@b@c");
  CHECK(parts.local == "a@b");
  CHECK(parts.domain == "c");
  CHECK_FALSE(split_address("alice").has_at);
  CHECK(split_address("alice@").has_at);
}

TEST_CASE("routes are stripped", "[mail][address]") {
  CHECK(strip_route("@gw,@hub:a@b") == "a@b");
  CHECK(strip_route("@[IPv6:::1]:a@b") == "a@b");
  CHECK(strip_route("@b") == "@b");
  CHECK(strip_route("a:b@c") == "a:b@c");
}

TEST_CASE("domain names are judged label by label", "[mail][address]") {
  const std::string label63(63, 'd');
  for (const std::string& good :
       {std::string("example.com"), std::string("a"), std::string("a_b.c"),
        std::string("1a.2"), std::string("xn--mnchen-3ya.de"), label63}) {
    CAPTURE(good);
    CHECK(hostname_fault(good) == "");
  }
  for (const std::string& bad :
       {std::string(""), std::string("a..b"), std::string(".a"),
        std::string("a."), std::string("-a"), std::string("a-.b"),
        std::string("1.2.3.4"), std::string("a b"), std::string("a>"),
        label63 + "d", std::string("b\xc3\xbc.de")}) {
    CAPTURE(bad);
    CHECK_FALSE(valid_hostname(bad));
  }
  std::string name = "a";
  while (name.size() < 254) name += ".a";
  CHECK(valid_hostname(name));
  CHECK_FALSE(valid_hostname(name + ".a"));
  CHECK(valid_utf8_hostname("b\xc3\xbc.de"));
  CHECK_FALSE(valid_utf8_hostname("b\xfc.de"));
}

TEST_CASE("literals hold an IPv4 or a tagged IPv6 address", "[mail][address]") {
  CHECK(parse_literal("[127.0.0.1]") == "127.0.0.1");
  CHECK(parse_literal("[IPv6:::1]") == "::1");
  CHECK(parse_literal("[ipv6:1::2]") == "1::2");
  for (const char* bad : {"", "[", "[]", "[300.1.1.1]", "[1.2.3]", "[1::2]",
                          "[x]", "127.0.0.1", "[IPv6:]", "[IPv6:1.2.3.4]"}) {
    CAPTURE(bad);
    CHECK_FALSE(valid_literal(bad));
  }
  CHECK(valid_hostaddr("::ffff:1.2.3.4"));
  CHECK_FALSE(valid_hostaddr(std::string("1.2.3.4\0x", 9)));
}

TEST_CASE("domains have an ASCII and a UTF-8 form", "[mail][address]") {
  CHECK(domain_to_ascii("N\xc3\xb6such.TEST").value() == "xn--nsuch-jua.test");
  CHECK(domain_to_ascii("Example.COM").value() == "example.com");
  CHECK(domain_to_ascii(".n\xc3\xb6such.test").value() ==
        ".xn--nsuch-jua.test");
  CHECK(domain_to_utf8("xn--nsuch-jua.test").value() == "n\xc3\xb6such.test");
  CHECK(domain_to_utf8("Example.COM").value() == "example.com");
  CHECK_FALSE(domain_to_ascii("\xff.test"));
}

TEST_CASE("lookup keys are folded, UTF-8 too", "[mail][address]") {
  CHECK(fold_key("Alice@Example.COM") == "alice@example.com");
  CHECK(fold_key("J\xc3\x9cRGEN") == "j\xc3\xbcrgen");
  CHECK(fold_key("\xd0\x9c\xe7\x94\xa8\xf0\x90\x90\x80") ==
        "\xd0\xbc\xe7\x94\xa8\xf0\x90\x90\xa8");
  CHECK(fold_key("A\xff") == "a\xff");
}

TEST_CASE("extensions are cut at the first delimiter", "[mail][address]") {
  const ExtensionRules plus{"+"};
  const ExtensionRules both{"+-"};
  const auto cut = split_extension("user+a+b", plus);
  REQUIRE(cut);
  CHECK(cut->base == "user");
  CHECK(cut->delimiter == '+');
  CHECK(cut->extension == "a+b");
  CHECK(split_extension("user+", plus)->extension == "");
  CHECK(split_extension("a-b+c", both)->base == "a");
  for (const char* whole : {"user", "+user", "MAILER-DAEMON", "double-bounce",
                            "postmaster", "owner-list", "list-request"}) {
    CAPTURE(whole);
    CHECK_FALSE(split_extension(whole, both));
  }
  CHECK(split_extension("owner-list", {"-", false})->base == "owner");
  CHECK(split_extension("owner-x+y", plus)->base == "owner-x");
  CHECK_FALSE(split_extension("a+b", {""}));

  std::string extension;
  CHECK(strip_extension("user+x@d", plus, &extension) == "user@d");
  CHECK(extension == "+x");
  CHECK(strip_extension("user+x", plus) == "user");
  CHECK_FALSE(strip_extension("user@d+x", plus));
}
