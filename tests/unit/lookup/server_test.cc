#include "lookup/server.h"

#include <sys/socket.h>
#include <catch2/catch.hpp>

#include <atomic>

#include "tests/support/dns_server.h"

namespace postern::lookup {
namespace {

constexpr std::string_view zone = R"(
example.test A 192.0.2.1
silent.test TIMEOUT
)";

template <class Q>
Task<void> ask(ipc::Link* link, Q question,
               std::optional<Result<typename Q::Answer>>* out) {
  Result<typename Q::Answer> answer =
      co_await link->call(question, Seconds(20));
  out->emplace(std::move(answer));
}

std::unique_ptr<dns::Resolver> resolver_of(const test::DnsServer& server) {
  dns::ResolverOptions options;
  options.servers = {server.address()};
  return std::move(dns::Resolver::make(options).value());
}

class Bench {
 public:
  std::unique_ptr<ipc::Link> link(Role role) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    server.take(std::make_unique<ipc::Link>(Fd(ends[0]), Role::lookup, role,
                                            std::string(name_of(role))));
    return std::make_unique<ipc::Link>(Fd(ends[1]), role, Role::lookup,
                                       "lookup");
  }
  template <class Q>
  typename Q::Answer get(ipc::Link& from, Q question) {
    std::optional<Result<typename Q::Answer>> out;
    Nursery nursery;
    nursery.start(ask(&from, std::move(question), &out));
    loop.run_until([&] { return nursery.empty(); });
    INFO((out->ok() ? "" : out->trouble().text));
    REQUIRE(out->ok());
    return std::move(**out);
  }

  Loop loop;
  test::DnsServer name_server{zone};
  std::unique_ptr<dns::Resolver> resolver = resolver_of(name_server);
  TableCache tables{TableCache::Options{}};
  Names names{*resolver, Names::Options{dns::Families::v4, Seconds(1),
                                        "/nonexistent/hosts"}};
  Anvil anvil{Seconds(60)};
  HelperThread helper;
  Server server{tables, names, anvil, helper, log::Log("postern/lookup")};
};

TEST_CASE("each question has its answer") {
  Bench bench;
  const auto smtpd = bench.link(Role::smtpd);
  const auto smtp = bench.link(Role::smtp);
  const auto local = bench.link(Role::local);
  CHECK(bench.get(*smtpd, ipc::TableFind{"inline:{a=b}", {"a"}, 1}).value ==
        "b");
  const ipc::UserAnswer root = bench.get(*local, ipc::UserFind{"root"});
  CHECK(root.found);
  CHECK(root.uid == 0);
  const ipc::UserAnswer none =
      bench.get(*local, ipc::UserFind{"no-such-user-here"});
  CHECK_FALSE(none.found);
  CHECK_FALSE(none.trouble.present);
  CHECK(bench.get(*smtp, ipc::MailHostsFind{"example.test", true, false, true})
            .addresses.size() == 1);
  CHECK(bench.get(*smtp, ipc::DnsFind{"example.test", "A"}).records ==
        std::vector<std::string>{"192.0.2.1"});
  CHECK(bench.get(*smtpd, ipc::ClientNameFind{"192.0.2.1"}).name == "unknown");
  CHECK(bench.get(*smtpd, ipc::AnvilNote{"connect", "smtp:192.0.2.1"}).count ==
        1);
}

TEST_CASE("a slow answer does not hold up the others") {
  Bench bench;
  const auto smtp = bench.link(Role::smtp);
  std::optional<Result<ipc::DnsAnswer>> slow;
  Nursery nursery;
  nursery.start(ask(smtp.get(), ipc::DnsFind{"silent.test", "A"}, &slow));
  CHECK(bench.get(*smtp, ipc::DnsFind{"example.test", "A"}).status == "ok");
  CHECK_FALSE(slow.has_value());
  bool answered = false;
  bench.server.when_answered([&] { answered = true; });
  CHECK_FALSE(answered);
  bench.loop.run_until([&] { return nursery.empty(); });
  CHECK((*slow)->status == "timeout");
  CHECK(answered);
}

TEST_CASE("a peer that goes takes its questions and connections along") {
  Bench bench;
  auto first = bench.link(Role::smtpd);
  const auto second = bench.link(Role::smtpd);
  const ipc::AnvilNote connect{"connect", "smtp:192.0.2.1"};
  CHECK(bench.get(*first, connect).count == 1);
  CHECK(bench.get(*second, connect).count == 2);
  std::optional<Result<ipc::DnsAnswer>> never;
  {
    Nursery nursery;
    nursery.start(ask(first.get(), ipc::DnsFind{"silent.test", "A"}, &never));
    CHECK(bench.get(*first, ipc::DnsFind{"example.test", "A"}).status == "ok");
  }
  first.reset();
  bench.loop.run_until([&] { return bench.server.links() == 1; });
  CHECK(bench.get(*second, connect).count == 2);
  bool answered = false;
  bench.server.when_answered([&] { answered = true; });
  CHECK(answered);
}

TEST_CASE("a blocking call blocks its thread alone") {
  Loop loop;
  HelperThread helper;
  std::atomic<bool> go = false;
  HelperThread::Job<int> job(helper, [&go] {
    while (!go) std::this_thread::yield();
    return 7;
  });
  Nursery nursery;
  int got = 0;
  struct Wait {
    static Task<void> run(HelperThread::Job<int>* of, int* out) {
      const bool in_time = co_await of->wait(Seconds(20));
      if (in_time) *out = of->take();
    }
  };
  nursery.start(Wait::run(&job, &got));
  {
    // Given up before it began: reports to nobody.
    HelperThread::Job<int> lost(helper, [] { return 8; });
  }
  CHECK(got == 0);
  go = true;
  loop.run_until([&] { return nursery.empty(); });
  CHECK(got == 7);
}

}  // namespace
}  // namespace postern::lookup
