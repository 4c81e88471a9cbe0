#include "smtp/tls_policy.h"

#include <catch2/catch.hpp>

#include "common/base/text.h"

namespace postern::smtp {
namespace {

using Lines = std::vector<std::string>;

std::string show(const PolicyLine& line) {
  std::string out(name_of(line.level));
  const auto add = [&](const char* name, const std::optional<std::string>& v) {
    if (v) out += std::string(" ") + name + "=" + *v;
  };
  add("ciphers", line.ciphers);
  add("protocols", line.protocols);
  add("exclude", line.exclude);
  add("servername", line.servername);
  if (!line.match.empty()) out += " match=" + join(line.match, "/");
  if (!line.trust_anchor_files.empty())
    out += " tafile=" + join(line.trust_anchor_files, "/");
  if (line.connection_reuse)
    out += *line.connection_reuse ? " reuse" : " no-reuse";
  return out;
}

TEST_CASE("a policy line is a level with attributes", "[smtp]") {
  struct Case {
    const char* text;
    const char* expected;  // or the warning
  };
  const Case cases[] = {
      {"none", "none"},
      {"may", "may"},
      {"ENCRYPT", "encrypt"},
      {"encrypt protocols=TLSv1.2:TLSv1.3, ciphers=high exclude=aNULL:MD5",
       "encrypt ciphers=high protocols=TLSv1.2:TLSv1.3 exclude=aNULL:MD5"},
      {"may exclude=", "may exclude="},
      {"secure match=.example.net:example.net match=nexthop",
       "secure match=.example.net/example.net/nexthop"},
      {"verify tafile=/a tafile=/b servername=hostname",
       "verify servername=hostname tafile=/a//b"},
      {"fingerprint match=AA:BB|CC:DD match=EE:FF",
       "fingerprint match=AA:BB/CC:DD/EE:FF"},
      {"dane-only connection_reuse=yes", "dane-only reuse"},
      {"encrypt connection_reuse=no", "encrypt no-reuse"},
      // What cannot be right is no policy at all.
      {"", "T: invalid empty policy"},
      {" , ", "T: invalid empty policy"},
      {"half-dane", "T: invalid security level \"half-dane\""},
      {"always", "T: invalid security level \"always\""},
      {"may match=nexthop",
       "T: attribute \"match\" invalid at security level \"may\""},
      {"encrypt match=nexthop",
       "T: attribute \"match\" invalid at security level \"encrypt\""},
      {"fingerprint tafile=/a",
       "T: attribute \"tafile\" invalid at security level \"fingerprint\""},
      {"encrypt ciphers=", "T: attribute \"ciphers\" has empty value"},
      {"secure match=", "T: attribute \"match\" has empty value"},
      {"encrypt ciphers=high ciphers=low",
       "T: attribute \"ciphers\" is specified multiple times"},
      {"encrypt level=2", "T: invalid attribute name: \"level\""},
      {"encrypt connection_reuse=maybe",
       "T: attribute \"connection_reuse\" has bad value: \"maybe\""},
      {"encrypt high",
       "T: malformed attribute/value pair \"high\": missing '=' after "
       "attribute name"},
      {"encrypt =high",
       "T: malformed attribute/value pair \"=high\": missing attribute name"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    Lines notices;
    const Result<PolicyLine> line = parse_policy_line(c.text, "T", notices);
    CHECK((line ? show(*line) : line.trouble().text) == c.expected);
    CHECK(notices.empty());
  }
}

TEST_CASE("attributes beside level none are told of", "[smtp]") {
  Lines notices;
  CHECK(parse_policy_line("none match=x", "T", notices));
  CHECK(notices ==
        Lines{"T: ignoring attribute \"match=x\" with TLS disabled"});
}

TEST_CASE("a bare domain is looked up with its parents", "[smtp]") {
  CHECK(policy_keys("a.b.example") ==
        Lines{"a.b.example", ".b.example", ".example"});
  CHECK(policy_keys("[a.b.example]") == Lines{"[a.b.example]"});
  CHECK(policy_keys("a.example:587") == Lines{"a.example:587"});
  CHECK(policy_keys("[192.0.2.1]:25") == Lines{"[192.0.2.1]:25"});
  CHECK(policy_keys("host") == Lines{"host"});
}

ServerFacts plain_server() {
  ServerFacts server;
  server.host = "mx.example.org";
  server.next_hop = "example.org";
  server.by_mx = true;
  server.mx_canonical = "example.org";
  server.host_canonical = "mx.example.org";
  return server;
}

SitePolicy site(const std::string& line, const TlsSettings& settings) {
  if (line.empty()) return site_policy(std::nullopt, settings);
  Lines notices;
  Result<PolicyLine> parsed = parse_policy_line(line, "T", notices);
  REQUIRE(parsed);
  return site_policy(*parsed, settings);
}

std::string show(const Result<TlsPolicy>& policy) {
  if (!policy) return policy.trouble().status() + " " + policy.trouble().text;
  std::string out(name_of(policy->level));
  if (policy->level == TlsLevel::none) return out;
  out += " " + policy->ciphers + " " + policy->protocols + " -" +
         join(split_words(policy->exclude), ",");
  if (!policy->match.empty()) out += " match=" + join(policy->match, "/");
  if (!policy->servername.empty()) out += " sni=" + policy->servername;
  if (!policy->trust_anchor_files.empty())
    out += " ta=" + join(policy->trust_anchor_files, "/");
  if (!policy->tlsa.empty())
    out += " tlsa=" + std::to_string(policy->tlsa.size());
  if (policy->connection_reuse) out += " reuse";
  return out;
}

TEST_CASE("main.conf says what the table leaves open", "[smtp]") {
  TlsSettings settings;
  settings.level = TlsLevel::may;
  settings.protocols = "P";
  settings.ciphers = "medium";
  settings.exclude_ciphers = "X";
  settings.mandatory_protocols = "M";
  settings.mandatory_ciphers = "high";
  settings.mandatory_exclude_ciphers = "Y";
  settings.fingerprint_match = {"AB"};
  struct Case {
    const char* line;
    const char* expected;
  };
  const Case cases[] = {
      {"", "may medium P -X"},
      {"none", "none"},
      {"may ciphers=low protocols=Q exclude=Z", "may low Q -Z"},
      {"encrypt", "encrypt high M -X,Y,eNULL"},
      {"encrypt exclude=Z connection_reuse=yes", "encrypt high M -Z,eNULL reuse"},
      {"fingerprint", "fingerprint high M -X,Y,aNULL match=AB"},
      {"fingerprint match=CD|EF", "fingerprint high M -X,Y,aNULL match=CD/EF"},
      {"verify", "verify high M -X,Y,aNULL match=mx.example.org"},
      {"verify tafile=/own",
       "verify high M -X,Y,aNULL match=mx.example.org ta=/own"},
      {"secure",
       "secure high M -X,Y,aNULL match=example.org/.example.org"},
      {"secure match=hostname:.x.org:nexthop servername=hostname",
       "secure high M -X,Y,aNULL match=mx.example.org/.x.org/example.org "
       "sni=mx.example.org"},
      {"encrypt servername=nexthop",
       "encrypt high M -X,Y,eNULL sni=example.org"},
      {"encrypt servername=own.example",
       "encrypt high M -X,Y,eNULL sni=own.example"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    Lines notices;
    CHECK(show(policy_for(site(c.line, settings), plain_server(), {}, settings,
                          25, notices)) == c.expected);
    CHECK(notices.empty());
  }
}

TEST_CASE("an address is not sent as a server name", "[smtp]") {
  TlsSettings settings;
  settings.level = TlsLevel::encrypt;
  settings.servername = "hostname";
  ServerFacts server;
  server.host = server.next_hop = "192.0.2.1";
  Lines notices;
  const auto policy =
      policy_for(site("", settings), server, {}, settings, 25, notices);
  CHECK(policy->servername.empty());
}

TEST_CASE("a level without anything to match is no level", "[smtp]") {
  TlsSettings settings;
  settings.level = TlsLevel::fingerprint;
  Lines notices;
  CHECK(show(policy_for(site("", settings), plain_server(), {}, settings, 25,
                        notices)) ==
        "4.7.5 client TLS configuration problem");
  CHECK(notices ==
        Lines{"nexthop domain example.org: configured at fingerprint security "
              "level, but with no fingerprints to match."});
  settings.secure_match.clear();
  CHECK_FALSE(policy_for(site("secure", settings), plain_server(), {}, settings,
                         25, notices));
}

Tlsa record(int usage, int selector, int matching, std::size_t size,
            char fill = 'x') {
  return {usage, selector, matching, std::string(size, fill)};
}

// One line per case: what DNS says of the way, what was found, what follows.
TEST_CASE("DANE decides by what is signed", "[smtp]") {
  enum class Found { nothing, broken, usable, unusable, not_asked };
  struct Case {
    const char* level;
    TlsLevel insecure_mx;
    bool dnssec, mx_secure, host_secure;
    Found found;
    bool asks;
    const char* expected;
  };
  const std::string half = "half-dane";
  const Case cases[] = {
      {"dane", TlsLevel::may, true, true, true, Found::usable, true,
       "dane tlsa"},
      {"dane-only", TlsLevel::may, true, true, true, Found::usable, true,
       "dane-only tlsa"},
      {"dane", TlsLevel::may, true, true, true, Found::nothing, true, "may"},
      {"dane-only", TlsLevel::may, true, true, true, Found::nothing, true,
       "4.7.5 no TLSA records found"},
      {"dane", TlsLevel::may, true, true, true, Found::unusable, true,
       "encrypt"},
      {"dane-only", TlsLevel::may, true, true, true, Found::unusable, true,
       "4.7.5 TLSA records unusable"},
      // Forged, or out of reach: the mail waits, it does not go in the clear.
      {"dane", TlsLevel::may, true, true, true, Found::broken, true,
       "4.7.5 TLSA lookup error for mx.example.org:25"},
      {"dane-only", TlsLevel::may, true, true, true, Found::broken, true,
       "4.7.5 TLSA lookup error for mx.example.org:25"},
      // MX records that are not signed.
      {"dane", TlsLevel::may, true, false, true, Found::not_asked, false,
       "may"},
      {"dane-only", TlsLevel::dane, true, false, true, Found::not_asked, false,
       "4.7.5 non DNSSEC destination"},
      {"dane", TlsLevel::encrypt, true, false, true, Found::usable, true,
       "encrypt"},
      {"dane", TlsLevel::dane, true, false, true, Found::usable, true,
       "half-dane tlsa"},
      {"dane", TlsLevel::dane, true, false, true, Found::nothing, true, "may"},
      // A host outside of what is signed.
      {"dane", TlsLevel::may, true, true, false, Found::not_asked, false,
       "may"},
      {"dane-only", TlsLevel::may, true, true, false, Found::not_asked, false,
       "4.7.5 no TLSA records found"},
      // No DNSSEC here.
      {"dane", TlsLevel::may, false, true, true, Found::not_asked, false,
       "may"},
      {"dane-only", TlsLevel::may, false, true, true, Found::not_asked, false,
       "4.7.5 client TLS configuration problem"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.level, c.dnssec, c.mx_secure, c.host_secure,
            static_cast<int>(c.found));
    TlsSettings settings;
    settings.dnssec = c.dnssec;
    settings.insecure_mx = c.insecure_mx;
    ServerFacts server = plain_server();
    server.mx_secure = c.mx_secure;
    server.host_secure = c.host_secure;
    const SitePolicy policy = site(c.level, settings);
    CHECK(wants_tlsa(policy, server, settings) == c.asks);
    TlsaAnswer answer;
    answer.base = "mx.example.org";
    if (c.found == Found::nothing) answer.kind = TlsaAnswer::Kind::none;
    if (c.found == Found::broken) answer.kind = TlsaAnswer::Kind::failed;
    if (c.found == Found::usable || c.found == Found::unusable)
      answer.kind = TlsaAnswer::Kind::records;
    if (c.found == Found::usable) answer.usable = {record(3, 1, 1, 32)};
    Lines notices;
    const auto out =
        policy_for(policy, server, answer, settings, 25, notices);
    std::string shown = out ? std::string(name_of(out->level))
                            : out.trouble().status() + " " + out.trouble().text;
    if (out && !out->tlsa.empty()) shown += " tlsa";
    CHECK(shown == c.expected);
    CHECK(notices.empty() == c.dnssec);
    // Whatever DNS says, a mandatory level never becomes less.
    if (std::string_view(c.level) == "dane-only" && out)
      CHECK(requires_tls(out->level));
  }
}

TEST_CASE("DANE names the host, the domain and what they are called",
          "[smtp]") {
  TlsSettings settings;
  settings.level = TlsLevel::dane;
  settings.dnssec = true;
  ServerFacts server = plain_server();
  server.mx_secure = server.host_secure = true;
  server.mx_canonical = "other.example";
  TlsaAnswer answer;
  answer.kind = TlsaAnswer::Kind::records;
  answer.base = "real.example.org";
  answer.usable = {record(2, 0, 1, 32)};
  Lines notices;
  const auto policy = policy_for(site("", settings), server, answer, settings,
                                 25, notices);
  CHECK(policy->match ==
        Lines{"real.example.org", "other.example", "example.org"});
  CHECK(policy->servername == "real.example.org");
  CHECK(policy->tlsa_base == "real.example.org");
}

TEST_CASE("DANE is for TCP", "[smtp]") {
  TlsSettings settings;
  settings.dnssec = true;
  ServerFacts server;
  server.next_hop = "here.example";
  server.local_socket = true;
  Lines notices;
  CHECK_FALSE(policy_for(site("dane", settings), server, {}, settings, 0,
                         notices));
}

TEST_CASE("TLSA records are read from their presentation form", "[smtp]") {
  CHECK(parse_tlsa("3 1 1 0aFF") == Tlsa{3, 1, 1, "\x0a\xff"});
  CHECK(parse_tlsa("2 0 0 0A ff") == Tlsa{2, 0, 0, "\x0a\xff"});
  for (const char* text : {"", "3 1 1", "3 1 1 0", "3 1 1 0g", "256 1 1 00",
                           "x 1 1 00", "-1 1 1 00", "3 1 1 -1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_tlsa(text));
  }
}

TEST_CASE("of TLSA records those count that can be acted on", "[smtp]") {
  const Lines digests = {"sha512", "sha256"};
  const std::vector<Tlsa> records = {
      record(0, 0, 1, 32),   // PKIX-TA: not for mail
      record(1, 1, 1, 32),   // PKIX-EE
      record(3, 1, 1, 32),   // outdone by sha512 beside it
      record(3, 1, 2, 64),   //
      record(3, 0, 1, 32),   // another selector: a digest race of its own
      record(2, 1, 1, 31),   // too short
      record(2, 2, 1, 32),   // no such selector
      record(2, 0, 3, 32),   // no such digest
      record(2, 0, 0, 500),  // the whole certificate
      record(4, 0, 1, 32),
  };
  const std::vector<Tlsa> usable = usable_tlsa(records, digests);
  CHECK(usable == std::vector<Tlsa>{record(3, 1, 2, 64), record(3, 0, 1, 32),
                                    record(2, 0, 0, 500)});
  CHECK(usable_tlsa({record(3, 1, 2, 64)}, {"sha256"}).empty());
}

TEST_CASE("policies that differ in anything have different identities",
          "[smtp]") {
  TlsPolicy one;
  one.level = TlsLevel::secure;
  one.match = {"a.example"};
  TlsPolicy two = one;
  CHECK(one.identity() == two.identity());
  two.match = {"b.example"};
  CHECK(one.identity() != two.identity());
  two = one;
  two.tlsa = {record(3, 1, 1, 32)};
  CHECK(one.identity() != two.identity());
  two = one;
  two.level = TlsLevel::verify;
  CHECK(one.identity() != two.identity());
}

}  // namespace
}  // namespace postern::smtp
