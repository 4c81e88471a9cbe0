#include "common/dns/resolver.h"

#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>

#include "common/base/text.h"
#include "common/os/files.h"
#include "tests/support/dns_server.h"

namespace postern::dns {
namespace {

constexpr std::string_view zone = R"(
example.test MX 10 mx1.example.test
example.test MX 20 mx2.example.test
example.test A 192.0.2.9
example.test TXT v=spf1 -all
mx1.example.test A 192.0.2.1
mx1.example.test A 192.0.2.2
mx1.example.test AAAA 2001:db8::1
mx2.example.test A 192.0.2.3
null.test MX 0 .
alias.test CNAME mx1.example.test
dangling.test CNAME nowhere.test
broken.test SERVFAIL
refused.test REFUSED
silent.test TIMEOUT
empty.test NODATA
deep.below.test A 192.0.2.4
localhost A 192.0.2.77
5.0.0.10.in-addr.arpa PTR ten.example.test
2.0.0.127.in-addr.arpa PTR two.example.test
)";

Task<void> ask(Resolver* resolver, std::string name, Type type, Millis limit,
               std::optional<Answer>* answer, Proof proof = Proof::none) {
  Answer found = co_await resolver->find(name, type, limit, proof);
  answer->emplace(std::move(found));
}

class Bench {
 public:
  explicit Bench(const std::string& anchors = "") : server_(zone) {
    ResolverOptions options;
    options.trust_anchor_file = anchors;
    options.servers = {server_.address()};
    Result<std::unique_ptr<Resolver>> made = Resolver::make(options);
    INFO((made.ok() ? "" : made.trouble().text));
    REQUIRE(made.ok());
    resolver_ = std::move(*made);
  }
  Answer find(const std::string& name, Type type, Millis limit = Seconds(20),
              Proof proof = Proof::none) {
    std::optional<Answer> answer;
    Nursery nursery;
    nursery.start(ask(resolver_.get(), name, type, limit, &answer, proof));
    loop_.run_until([&] { return answer.has_value() && nursery.empty(); });
    return *answer;
  }
  Loop& loop() { return loop_; }
  Resolver& resolver() { return *resolver_; }
  test::DnsServer& server() { return server_; }

 private:
  Loop loop_;
  test::DnsServer server_;
  std::unique_ptr<Resolver> resolver_;
};

std::string text_of(const Answer& answer) {
  std::vector<std::string> records;
  for (const Record& record : answer.records)
    records.push_back(record.presentation());
  std::sort(records.begin(), records.end());
  return std::string(name_of(answer.outcome)) + ": " + join(records, ", ");
}

TEST_CASE("the resolver tells what the name server says") {
  Bench bench;
  struct Case {
    const char* name;
    Type type;
    const char* expected;
  };
  const Case cases[] = {
      {"example.test", Type::mx,
       "ok: 10 mx1.example.test., 20 mx2.example.test."},
      {"EXAMPLE.test", Type::txt, "ok: v=spf1 -all"},
      {"mx1.example.test", Type::a, "ok: 192.0.2.1, 192.0.2.2"},
      {"mx1.example.test", Type::aaaa, "ok: 2001:db8::1"},
      {"mx2.example.test", Type::aaaa, "nodata: "},
      {"null.test", Type::mx, "ok: 0 ."},
      {"alias.test", Type::a, "ok: 192.0.2.1, 192.0.2.2"},
      {"alias.test", Type::mx, "nodata: "},
      {"dangling.test", Type::a, "nxdomain: "},
      {"nowhere.test", Type::a, "nxdomain: "},
      {"nowhere.test", Type::mx, "nxdomain: "},
      {"empty.test", Type::mx, "nodata: "},
      {"below.test", Type::a, "nodata: "},
      {"deep.below.test", Type::a, "ok: 192.0.2.4"},
      {"broken.test", Type::a, "servfail: "},
      {"refused.test", Type::a, "servfail: "},
      {"localhost", Type::a, "ok: 192.0.2.77"},
      {"5.0.0.10.in-addr.arpa", Type::ptr, "ok: ten.example.test."},
      {"2.0.0.127.in-addr.arpa", Type::ptr, "ok: two.example.test."},
      {"a..b", Type::a, "nxdomain: "},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name, name_of(c.type));
    CHECK(text_of(bench.find(c.name, c.type)) == c.expected);
  }
}

TEST_CASE("an answer is remembered") {
  Bench bench;
  bench.find("mx1.example.test", Type::a);
  const int before = bench.server().questions();
  CHECK(bench.find("mx1.example.test", Type::a).ok());
  CHECK(bench.server().questions() == before);
}

TEST_CASE("a silent name server ends a question at its limit, and no other") {
  Bench bench;
  const Clock::time_point begin = Clock::now();
  std::optional<Answer> silent;
  Nursery nursery;
  nursery.start(
      ask(&bench.resolver(), "silent.test", Type::a, Millis(300), &silent));
  CHECK(bench.find("deep.below.test", Type::a).ok());
  CHECK_FALSE(silent.has_value());
  bench.loop().run_until([&] { return silent.has_value(); });
  CHECK(silent->outcome == Outcome::timeout);
  CHECK(Clock::now() - begin < Seconds(5));
  // The server still counts as alive.
  CHECK(bench.find("mx2.example.test", Type::a).ok());
}

TEST_CASE("a question can be given up, and the resolver with it") {
  Bench bench;
  std::optional<Answer> never;
  {
    Nursery nursery;
    nursery.start(
        ask(&bench.resolver(), "silent.test", Type::a, Seconds(60), &never));
    CHECK(bench.find("example.test", Type::a).ok());
  }
  CHECK_FALSE(never.has_value());
}

TEST_CASE("trust anchors are DS and DNSKEY records") {
  const auto anchors = parse_trust_anchors(
      "; autotrust trust anchor file\n;;id: . 1\n"
      ". 86400 IN DNSKEY 257 3 8 AwEA ;{id = 20326} ;;state=2\n\n"
      "example.test. IN DS 1 8 2 00\r\n");
  REQUIRE(anchors);
  CHECK(*anchors == std::vector<std::string>{". 86400 IN DNSKEY 257 3 8 AwEA",
                                             "example.test. IN DS 1 8 2 00"});
  CHECK_FALSE(parse_trust_anchors("example.test. IN A 192.0.2.1"));
  CHECK_FALSE(parse_trust_anchors("; nothing\n"));
  CHECK_FALSE(parse_trust_anchors("DS"));
}

// What is signed and right is shown by tests/system/outbound_matrix_test.py,
// which has zones to sign.
TEST_CASE("what must be signed and is not is no answer") {
  const std::string file = "/tmp/postern-anchors." + std::to_string(::getpid());
  REQUIRE(os::replace_file(file, "example.test. IN DS 20326 8 2 "
                                 "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC"
                                 "683457104237C7F8EC8D\n"));
  Bench bench(file);
  const Answer unsigned_there =
      bench.find("mx1.example.test", Type::a, Seconds(20), Proof::dnssec);
  CHECK(unsigned_there.outcome == Outcome::servfail);
  CHECK_FALSE(unsigned_there.secure);
  CHECK_FALSE(unsigned_there.fault.empty());
  // Nothing says that this zone is signed.
  const Answer elsewhere =
      bench.find("deep.below.test", Type::a, Seconds(20), Proof::dnssec);
  CHECK(elsewhere.ok());
  CHECK_FALSE(elsewhere.secure);
  // The plain side does not mind.
  CHECK(bench.find("mx1.example.test", Type::a).ok());
  ::unlink(file.c_str());
}

TEST_CASE("a trust anchor file that cannot be read fails questions for proof") {
  Bench bench("/nowhere/anchors");
  const Answer answer =
      bench.find("mx1.example.test", Type::a, Seconds(20), Proof::dnssec);
  CHECK(answer.outcome == Outcome::servfail);
  CHECK(answer.fault.find("/nowhere/anchors") != std::string::npos);
  CHECK(bench.find("mx1.example.test", Type::a).ok());
}

TEST_CASE("a malformed server address is refused") {
  Loop loop;
  for (const char* text : {"ns.example.test", "127.0.0.1@0", "[::1", "1.2.3"}) {
    CAPTURE(text);
    ResolverOptions options;
    options.servers = {text};
    CHECK_FALSE(Resolver::make(options).ok());
  }
}

}  // namespace
}  // namespace postern::dns
