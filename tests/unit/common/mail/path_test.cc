// Envelope paths (path.h) and address lists in headers (tokens.h). Expected
// values are what Postfix 3.7 does, unless a case says otherwise.
#include "common/mail/path.h"

#include <catch2/catch.hpp>

#include "common/mail/address.h"
#include "common/mail/tokens.h"

using namespace postern::mail;

namespace {

constexpr PathRules lenient{.allow_empty = true};
constexpr PathRules strict{.strict = true, .allow_empty = true};

// As the router completes addresses: @example.com, and .example.com for
// domains without a dot.
std::string complete(const std::string& address) {
  const std::string_view direct = strip_route(address);
  const AddressParts parts = split_address(direct);
  if (!parts.has_at) return std::string(direct) + "@example.com";
  if (parts.domain.empty() || parts.domain[0] == '[' ||
      parts.domain.find('.') != std::string_view::npos)
    return std::string(direct);
  return std::string(direct) + ".example.com";
}

}  // namespace

TEST_CASE("paths that people send are understood", "[mail][path]") {
  const std::pair<const char*, const char*> cases[] = {
      {"<>", ""},
      {"<a@b>", "a@b"},
      {"a@b", "a@b"},
      {"(comment)<bob@example.com>", "bob@example.com"},
      {"<a@b (comment)>", "a@b"},
      {"<(a)b@c>", "b@c"},
      {"<@gw.test,@hub.test:a@client.test>", "a@client.test"},
      {"<\"a b\"@client.test>", "a b@client.test"},
      {"<\"a\\\"b\"@c.d>", "a\"b@c.d"},
      {"<\"alice\"@example.com>", "alice@example.com"},
      {"<a\\ b@d>", "a b@d"},
      {"<alice%example.com>", "alice%example.com"},
      {"<mail.example.com!bob>", "mail.example.com!bob"},
      {"<alice@[IPv6:::1]>", "alice@[IPv6:::1]"},
      {"<a@b@c>", "a@b@c"},
      {"<@b>", "@b"},
      {"<a..b@c>", "a..b@c"},
      {"<a@c.>", "a@c."},
      {"<<a@b>>", "a@b"},
      {"<a@b>>", "a@b"},
      {"<a@b_c.d>", "a@b_c.d"},
      {"()", ""},
      {"\"\"", ""},
      {"<j\xc3\xbcrgen@b\xc3\xbc.test>", "j\xc3\xbcrgen@b\xc3\xbc.test"},
  };
  for (const auto& [path, address] : cases) {
    CAPTURE(path);
    CHECK(parse_path(path, lenient) == address);
  }
  const std::string long_local(300, 'b');
  CHECK(parse_path("<" + long_local + "@x>", lenient) == long_local + "@x");
}

TEST_CASE("what is not one address is refused", "[mail][path]") {
  for (const char* path :
       {"", "<a b@client.test>", "<a@b>SIZE=10", "<a@b,c@d>", "<a@>",
        "<a@c..d>", "<a@-c>", "<a@1.2.3.4>", "<a\"b c\"@d>", "<a@[1.2.3]>",
        "<a@[1::2]>", "<a@[x]>", "<a@[]>", "<a;b@c.d>", "<a@c.d>,<e@f.g>",
        "<[a]b@c>", "a(b)c@d", "<a@[300.1.1.1]>", "<@a:>"}) {
    CAPTURE(path);
    CHECK_FALSE(parse_path(path, lenient));
  }
  CHECK_FALSE(parse_path("<a@" + std::string(64, 'd') + ".test>", lenient));
  CHECK_FALSE(parse_path("<>", {}));
  CHECK(parse_path("<a@1.2.3.4>", {.numeric_domain = true}));
}

TEST_CASE("strict envelopes take the form of RFC 5321 only", "[mail][path]") {
  CHECK(parse_path("<a@client.test>", strict) == "a@client.test");
  CHECK(parse_path("<\"alice\"@example.com>", strict) == "alice@example.com");
  CHECK(parse_path("<>", strict) == "");
  for (const char* path : {"a@client.test", "(c)<bob@example.com>",
                           "<bob@example.com(c)>", "<@b>"}) {
    CAPTURE(path);
    CHECK_FALSE(parse_path(path, strict));
  }
}

TEST_CASE("arguments are cut into path and parameters", "[mail][path]") {
  const auto mail = split_envelope_arguments(
      "fRoM: <\"a b\"@client.test>\tsize=10 BODY=8bitmime SMTPUTF8 X=", "FROM");
  REQUIRE(mail);
  CHECK(mail->path == "<\"a b\"@client.test>");
  REQUIRE(mail->parameters.size() == 4);
  CHECK(mail->parameters[0].is("SIZE"));
  CHECK(mail->parameters[0].value == "10");
  CHECK(mail->parameters[1].text == "BODY=8bitmime");
  CHECK_FALSE(mail->parameters[2].value);
  CHECK(mail->parameters[3].value == "");
  CHECK(split_envelope_arguments("FROM:<a (b c)>", "FROM")->path ==
        "<a (b c)>");
  bool unclosed = true;
  for (const char* bad : {"", "FROM", "TO:<a@b>", "FROM:", "FROM :<a@b>"}) {
    CAPTURE(bad);
    CHECK_FALSE(split_envelope_arguments(bad, "FROM", &unclosed));
    CHECK_FALSE(unclosed);
  }
  for (const char* bad : {"FROM:<a@client.test", "FROM:<\"a@c.d>"}) {
    CAPTURE(bad);
    CHECK_FALSE(split_envelope_arguments(bad, "FROM", &unclosed));
    CHECK(unclosed);
  }
}

TEST_CASE("parameter values are checked", "[mail][path]") {
  CHECK(parse_size("10") == 10);
  CHECK(parse_size("99999999999999999999") == INT64_MAX);
  for (const char* bad : {"", "abc", "-5", "1k"}) CHECK_FALSE(parse_size(bad));
  CHECK(parse_body("8bitmime") == Body::eight_bit_mime);
  CHECK_FALSE(parse_body("9BIT"));
  CHECK(parse_ret("hdrs") == Return::headers);
  CHECK_FALSE(parse_ret("half"));
  CHECK(parse_envid("a=b") == "a=b");
  CHECK(parse_envid("EN+2B1") == "EN+1");
  for (const char* bad : {"", "a+b", "+0A", "+"}) CHECK_FALSE(parse_envid(bad));
  CHECK(parse_notify("success,failure") ==
        Notify{.success = true, .failure = true});
  CHECK(to_text(*parse_notify("delay,SUCCESS,success,")) == "SUCCESS,DELAY");
  std::string unknown;
  CHECK_FALSE(parse_notify("foo", &unknown));
  CHECK(unknown == "foo");
  CHECK_FALSE(parse_notify(""));
  CHECK_FALSE(parse_notify("never,success"));
}

TEST_CASE("original recipients are decoded and encoded again", "[mail][path]") {
  CHECK(parse_orcpt("rfc822;o+2Bx@e.test") == "rfc822;o+x@e.test");
  CHECK(parse_orcpt("rfc822;x+4f") == "rfc822;xO");
  CHECK(parse_orcpt("rfc822;") == "rfc822;");
  CHECK(parse_orcpt("utf-8;j\\x{FC}rgen@e.test") ==
        "utf-8;j\xc3\xbcrgen@e.test");
  for (const char* bad : {"", "rfc822", ";x", "rfc822;x+4g", "a b;c",
                          "utf-8;\\x{}", "utf-8;\\x{110000}", "utf-8;\\x{A",
                          "utf-8;\\x{D800}", "rfc822;+0D+0A"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_orcpt(bad));
  }
  CHECK(orcpt_value("rfc822;o+x@e") == "rfc822;o+2Bx@e");
  CHECK(orcpt_value("rfc822;a b@e") == "rfc822;a+20b@e");
  CHECK(orcpt_value("utf-8;j\xc3\xbcr@e", true) == "utf-8;j\xc3\xbcr@e");
  CHECK(orcpt_value("utf-8;j\xc3\xbcr+@e") == "utf-8;j\\x{FC}r\\x{2B}@e");
  CHECK(xtext_decode(xtext_encode("a\x01=+\xff z")) == "a\x01=+\xff z");
}

TEST_CASE("addresses in headers are rewritten in place", "[mail][tokens]") {
  const std::pair<const char*, const char*> cases[] = {
      {"user@host (c1), bob", "user@host.example.com (c1), bob@example.com"},
      {"a b", "a@example.com, b@example.com"},
      {"a b <c>", "a b <c@example.com>"},
      {"\"a b\"", "\"a b\"@example.com"},
      {"J. Random User <j>", "J.Random User <j@example.com>"},
      {"<a b>", "<ab@example.com>"},
      {"<\"a b\">", "<\"a b\"@example.com>"},
      {"(x) a", "a@example.com (x)"},
      {"(x) a (y) b (z)", "a@example.com (x), b@example.com (y) (z)"},
      {"a@b@c", "\"a@b\"@c.example.com"},
      {"a\\b", "ab@example.com"},
      {"a\\ b", "\"a b\"@example.com"},
      {"@a:b@c", "b@c.example.com"},
      {"a <b> c", "a <b@example.com>, c@example.com"},
      {"a <b> <c>", "a <b@example.com> <c@example.com>"},
      {"a:b", "\"a:b\"@example.com"},
      {"a: <b>, <c>;, d",
       "a: <b@example.com>, <c@example.com>;, d@example.com"},
      {"a;", "a@example.com;"},
      {"joe; sue", "joe@example.com;, sue@example.com"},
      {"\"x", "x@example.com"},
      {"[x", "\"[x]\"@example.com"},
      {"<a", "\"<a\"@example.com"},
      {"a >", "a@example.com>"},
      {"\"a<b\"@c", "\"a<b\"@c.example.com"},
      {"(a(b)c) d", "d@example.com (a(b)c)"},
      {"(a\\)b) c", "c@example.com (a\\)b)"},
      {"\"a(b\" <c>", "\"a(b\" <c@example.com>"},
      {"a (b,c), d", "a@example.com (b,c), d@example.com"},
      {"Joe \"Q\" Blow <j>", "Joe \"Q\" Blow <j@example.com>"},
      {"a <b(c)d>", "a <bd@example.com (c)>"},
      {"<a>(c)", "<a@example.com>(c)"},
      {"x (c): a (d);(e)", "x (c): a@example.com (d);(e)"},
      {"a,(c)", "a@example.com, (c)"},
      {"a <b>c <d>", "a <b@example.com>c <d@example.com>"},
      {"<a, b>", "<\"a, b\"@example.com>"},
      {"a[b]", "a@example.com, \"[b]\"@example.com"},
      {"=?utf-8?Q?J=C3=BC?= <ju>", "=?utf-8?Q?J=C3=BC?= <ju@example.com>"},
      {"a, undisclosed-recipients:;",
       "a@example.com, undisclosed-recipients: ;"},
      {"x . y @ z . w, a", "x.y@z.w, a@example.com"},
      {"\"last \\\"one\\\"\" <z>", "\"last \\\"one\\\"\" <z@example.com>"},
      {"a,\n\tb", "a@example.com, b@example.com"},
      {"a, <>", "a@example.com, <>"},
      {"a, x:y <c>; d", "a@example.com, x: y <c@example.com>;, d@example.com"},
      // Postfix leaves the first group alone here, and takes "a" for an
      // address in the second.
      {"a: b; c: d;", "a: b@example.com; c: d@example.com;"},
      {"a:b <c>", "a:b <c@example.com>"},
  };
  for (const auto& [before, after] : cases) {
    CAPTURE(before);
    AddressList list(before);
    CHECK(list.rewrite(complete));
    CHECK(list.to_text() == after);
  }
  for (const char* same : {"a@b.c", "<>", "", "(x", "  ", "a@[1 2]", ",,",
                           "a:;", "J. Random <j@x.y>"}) {
    CAPTURE(same);
    CHECK_FALSE(AddressList(same).rewrite(complete));
  }
}

TEST_CASE("rewritten headers are folded after commas", "[mail][tokens]") {
  const auto rewritten = [](std::string_view header) {
    return rewrite_header_addresses(header, header.find_first_of(" :"),
                                    complete);
  };
  CHECK(rewritten("To: user@host, bob, \"q u\" <carol>, <>, group: dave, "
                  "x@y.test;") ==
        "To: user@host.example.com, bob@example.com,\n"
        "\t\"q u\" <carol@example.com>, <>, group: dave@example.com, "
        "x@y.test;");
  CHECK(rewritten("To : blank") == "To: blank@example.com");
  CHECK_FALSE(rewritten("To: Alice <a@b.c>,\n bob@b.c"));
  const std::string fits(38, 'b');
  CHECK(rewritten("To: a, " + fits) ==
        "To: a@example.com, " + fits + "@example.com");
  CHECK(rewritten("To: a, b" + fits) ==
        "To: a@example.com,\n\tb" + fits + "@example.com");
  CHECK(rewritten("To: a, " + std::string(60, 'b') + ", c, " +
                  std::string(42, 'd')) ==
        "To: a@example.com,\n\t" + std::string(60, 'b') +
            "@example.com,\n\tc@example.com, " + std::string(42, 'd') +
            "@example.com");
}

TEST_CASE("beyond the token limit a header stays as it is", "[mail][tokens]") {
  AddressList list("a, b, c@d, e", 3);
  CHECK(list.rewrite(complete));
  CHECK(list.to_text() == "a@example.com, b@example.com , c@d, e");
  CHECK(AddressList("a b c", 0).addresses().empty());
}

TEST_CASE("recipients are taken from header values", "[mail][tokens]") {
  CHECK(extract_addresses("Alice <alice@x>,\n bob, g: \"c d\"@e, <>;") ==
        std::vector<std::string>{"alice@x", "bob", "c d@e"});
  CHECK(extract_addresses("undisclosed-recipients:;").empty());
}
