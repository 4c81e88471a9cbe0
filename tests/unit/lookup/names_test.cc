#include "lookup/names.h"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <optional>

#include "common/os/files.h"
#include "lookup/anvil.h"
#include "lookup/client_name.h"
#include "tests/support/dns_server.h"

namespace postern::lookup {
namespace {

constexpr std::string_view zone = R"(
example.test MX 20 mx2.example.test
example.test MX 10 mx1.example.test
mx1.example.test A 192.0.2.1
mx1.example.test AAAA 2001:db8::1
mx2.example.test A 192.0.2.2
plain.test A 192.0.2.3
six.test AAAA 2001:db8::6
null.test MX 0 .
broken.test SERVFAIL
silent.test TIMEOUT
text.test TXT hello there
half.test MX 10 nowhere.test
half.test MX 10 mx1.example.test
none.test MX 10 nowhere.test
later.test MX 10 nowhere.test
later.test MX 20 broken.test
number.test MX 10 192.0.2.7
bad.test MX 10 a?b
3.2.0.192.in-addr.arpa PTR plain.test
4.2.0.192.in-addr.arpa PTR plain.test
5.2.0.192.in-addr.arpa PTR gone.test
6.2.0.192.in-addr.arpa PTR broken.test
7.2.0.192.in-addr.arpa SERVFAIL
8.2.0.192.in-addr.arpa PTR 192.0.2.8
9.2.0.192.in-addr.arpa PTR six.test
6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR six.test
)";

template <class T>
Task<void> keep(Task<T> task, std::optional<T>* out) {
  T value = co_await std::move(task);
  out->emplace(std::move(value));
}

class Bench {
 public:
  explicit Bench(dns::Families families = dns::Families::v4) : server_(zone) {
    dns::ResolverOptions options;
    options.servers = {server_.address()};
    Result<std::unique_ptr<dns::Resolver>> made = dns::Resolver::make(options);
    INFO((made.ok() ? "" : made.trouble().text));
    REQUIRE(made.ok());
    resolver_ = std::move(*made);
    REQUIRE(os::replace_file(path_,
                             "127.0.0.1 localhost\n192.0.2.50 listed\n"
                             "192.0.2.60 plain.test\n")
                .ok());
    names_.emplace(*resolver_, Names::Options{families, Millis(700), path_});
  }
  ~Bench() { ::unlink(path_.c_str()); }

  template <class T>
  T get(Task<T> task) {
    std::optional<T> out;
    Nursery nursery;
    nursery.start(keep(std::move(task), &out));
    loop_.run_until([&] { return nursery.empty(); });
    return std::move(*out);
  }
  Names& names() { return *names_; }

 private:
  Loop loop_;
  test::DnsServer server_;
  std::unique_ptr<dns::Resolver> resolver_;
  std::string path_ = "/tmp/postern-hosts-" + std::to_string(::getpid());
  std::optional<Names> names_;
};

std::string text_of(const ipc::MailHostsAnswer& answer) {
  std::string text;
  for (const ipc::HostAddress& a : answer.addresses)
    text +=
        std::to_string(a.preference) + " " + a.host + " " + a.address + "; ";
  if (answer.trouble.present)
    text += answer.trouble.trouble().status() + " " + answer.trouble.text;
  return text;
}

TEST_CASE("mail hosts are found as RFC 5321 says") {
  Bench bench;
  struct Case {
    const char* domain;
    bool use_mx;
    bool native;
    bool dns;
    const char* expected;
  };
  const Case cases[] = {
      {"example.test", true, false, true,
       "10 mx1.example.test 192.0.2.1; 20 mx2.example.test 192.0.2.2; "},
      {"plain.test", true, false, true, "0 plain.test 192.0.2.3; "},
      {"mx2.example.test", false, false, true,
       "0 mx2.example.test 192.0.2.2; "},
      {"half.test", true, false, true, "10 mx1.example.test 192.0.2.1; "},
      {"number.test", true, false, true, "10 192.0.2.7 192.0.2.7; "},
      {"null.test", true, false, true,
       "5.1.0 Domain null.test does not accept mail (nullMX)"},
      {"nosuch.test", true, false, true,
       "5.4.4 Host or domain name not found. Name service error for "
       "name=nosuch.test type=A: Host not found"},
      {"six.test", true, false, true,
       "5.4.4 Host or domain name not found. Name service error for "
       "name=six.test type=A: Host found but no data record of requested "
       "type"},
      {"none.test", true, false, true,
       "5.4.4 Host or domain name not found. Name service error for "
       "name=nowhere.test type=A: Host not found"},
      {"later.test", true, false, true,
       "4.4.3 Host or domain name not found. Name service error for "
       "name=broken.test type=A: Host not found, try again"},
      {"broken.test", true, false, true,
       "4.4.3 Host or domain name not found. Name service error for "
       "name=broken.test type=MX: Host not found, try again"},
      {"silent.test", true, false, true,
       "4.4.3 Host or domain name not found. Name service error for "
       "name=silent.test type=MX: Host not found, try again"},
      {"bad.test", true, false, true,
       "5.4.4 malformed domain name in resource data of MX record for "
       "bad.test: a?b"},
      {"a..b", true, false, true,
       "5.4.4 Name service error for a..b: invalid host or domain name"},
      {"listed", true, false, true,
       "5.4.4 Host or domain name not found. Name service error for "
       "name=listed type=A: Host not found"},
      {"listed", true, true, true, "0 listed 192.0.2.50; "},
      {"nosuch.test", true, true, true,
       "5.4.4 unable to look up host nosuch.test: Name or service not known"},
      {"listed", true, true, false, "0 listed 192.0.2.50; "},
      // The hosts file goes before the name server, MX is not asked for.
      {"plain.test", true, true, false, "0 plain.test 192.0.2.60; "},
      {"example.test", true, true, false,
       "5.4.4 unable to look up host example.test: No address associated with "
       "hostname"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.domain, c.use_mx, c.native, c.dns);
    ipc::MailHostsFind question{c.domain, c.use_mx, c.native, c.dns};
    CHECK(text_of(bench.get(bench.names().mail_hosts(question))) == c.expected);
  }
}

TEST_CASE("both families are asked where the configuration says so") {
  Bench bench(dns::Families::both);
  ipc::MailHostsFind question{"example.test", true, false, true};
  CHECK(text_of(bench.get(bench.names().mail_hosts(question))) ==
        "10 mx1.example.test 192.0.2.1; 10 mx1.example.test 2001:db8::1; "
        "20 mx2.example.test 192.0.2.2; ");
}

TEST_CASE("a client has its name when the name has its address") {
  Bench bench;
  struct Case {
    const char* address;
    const char* name;
    int code;
    const char* reverse;
    int reverse_code;
    const char* warning;
  };
  const Case cases[] = {
      {"127.0.0.1", "localhost", 2, "localhost", 2, ""},
      {"127.0.0.2", "unknown", 5, "unknown", 5, ""},
      {"192.0.2.60", "plain.test", 2, "plain.test", 2, ""},
      {"192.0.2.4", "unknown", 6, "plain.test", 2,
       "hostname plain.test does not resolve to address 192.0.2.4"},
      {"192.0.2.5", "unknown", 5, "gone.test", 2,
       "hostname gone.test does not resolve to address 192.0.2.5: Name or "
       "service not known"},
      {"192.0.2.6", "unknown", 4, "broken.test", 2,
       "hostname broken.test does not resolve to address 192.0.2.6: "
       "Temporary failure in name resolution"},
      {"192.0.2.7", "unknown", 4, "unknown", 4, ""},
      {"192.0.2.8", "unknown", 5, "unknown", 5, "numeric hostname: 192.0.2.8"},
      {"192.0.2.9", "unknown", 5, "six.test", 2,
       "hostname six.test does not resolve to address 192.0.2.9: No address "
       "associated with hostname"},
      {"2001:db8::6", "six.test", 2, "six.test", 2, ""},
      {"unknown", "unknown", 5, "unknown", 5, ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.address);
    const ipc::ClientNameAnswer answer =
        bench.get(bench.names().client_name(c.address));
    CHECK(answer.name == c.name);
    CHECK(answer.name_code == c.code);
    CHECK(answer.reverse_name == c.reverse);
    CHECK(answer.reverse_code == c.reverse_code);
    CHECK(answer.warning == c.warning);
  }
}

TEST_CASE("plain DNS questions have plain answers") {
  Bench bench;
  ipc::DnsAnswer answer =
      bench.get(bench.names().records(ipc::DnsFind{"text.test", "txt"}));
  CHECK(answer.status == "ok");
  CHECK(answer.records == std::vector<std::string>{"hello there"});
  answer = bench.get(bench.names().records(ipc::DnsFind{"a.test", "A"}));
  CHECK(answer.status == "nxdomain");
  CHECK(answer.text ==
        "Host or domain name not found. Name service error for name=a.test "
        "type=A: Host not found");
  answer = bench.get(bench.names().records(ipc::DnsFind{"a.test", "HINFO"}));
  CHECK(answer.status == "servfail");
}

TEST_CASE("anvil counts connections and events in the time unit") {
  Anvil anvil(Seconds(60));
  const Clock::time_point begin = Clock::now();
  const auto at = [&](int seconds) {
    return Anvil::Now{begin + Seconds(seconds), 1'000'000'000 + seconds};
  };
  const auto note = [&](const char* event, int seconds,
                        Anvil::Reporter reporter = 1) {
    const ipc::AnvilAnswer a =
        anvil.note({event, "smtp:192.0.2.1"}, reporter, at(seconds));
    return std::pair(a.count, a.rate);
  };
  using Pair = std::pair<std::int64_t, std::int64_t>;
  CHECK(note("connect", 0) == Pair(1, 1));
  CHECK(note("connect", 1, 2) == Pair(2, 2));
  CHECK(note("mail", 2) == Pair(2, 1));
  CHECK(note("rcpt", 2) == Pair(2, 1));
  CHECK(note("rcpt", 3) == Pair(2, 2));
  CHECK(note("newtls_report", 3) == Pair(2, 0));
  CHECK(note("newtls", 3) == Pair(2, 1));
  CHECK(note("newtls_report", 3) == Pair(2, 1));
  CHECK(note("disconnect", 4, 2) == Pair(1, 0));
  // Not this reporter's connection.
  CHECK(note("disconnect", 4, 2) == Pair(0, 0));
  CHECK(note("connect", 60) == Pair(2, 3));
  CHECK(note("connect", 61) == Pair(3, 1));
  anvil.gone(1);
  CHECK(note("connect", 62, 3) == Pair(1, 2));
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  CHECK(anvil.statistics() ==
        std::vector<std::string>{
            "statistics: max connection rate 3/60s for (smtp:192.0.2.1) at "
            "Sep  9 01:47:40",
            "statistics: max connection count 3 for (smtp:192.0.2.1) at "
            "Sep  9 01:47:41",
            "statistics: max message rate 1/60s for (smtp:192.0.2.1) at "
            "Sep  9 01:46:42",
            "statistics: max recipient rate 2/60s for (smtp:192.0.2.1) at "
            "Sep  9 01:46:43",
            "statistics: max newtls rate 1/60s for (smtp:192.0.2.1) at "
            "Sep  9 01:46:43",
            "statistics: max cache size 1 at Sep  9 01:46:40"});
  CHECK(anvil.statistics().empty());
}

TEST_CASE("anvil forgets idle clients, and no connected one") {
  Anvil anvil(Seconds(60), 10);
  const Clock::time_point begin = Clock::now();
  anvil.note({"connect", "held"}, 1, {begin, 0});
  for (int i = 0; i < 1000; ++i) {
    const std::string client = std::to_string(i);
    anvil.note({"auth", client}, 1, {begin, 0});
    CHECK(anvil.size() <= 10);
  }
  CHECK(anvil.note({"connect", "held"}, 1, {begin, 0}).count == 2);
  anvil.note({"auth", "x"}, 1, {begin + Seconds(200), 0});
  CHECK(anvil.size() == 2);
}

}  // namespace
}  // namespace postern::lookup
