// Connections to hosts, made for others: to what their rows name alone.
#include "lookup/dialer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <catch2/catch.hpp>

#include "tests/support/dns_server.h"

namespace postern::lookup {
namespace {

constexpr std::string_view zone = R"(
auth.test A 127.0.0.1
nowhere.test A 127.0.0.1
)";

// Listens on a port of the loopback address that the kernel chose.
struct Listening {
  Listening() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(socket.get(), plain, size) == 0);
    REQUIRE(::listen(socket.get(), 5) == 0);
    REQUIRE(::getsockname(socket.get(), plain, &size) == 0);
    port = std::to_string(ntohs(address.sin_port));
  }
  Fd socket;
  std::string port;
};

std::unique_ptr<dns::Resolver> resolver_of(const test::DnsServer& server) {
  dns::ResolverOptions options;
  options.servers = {server.address()};
  return std::move(dns::Resolver::make(options).value());
}

Task<void> ask(Dialer* dialer, Role role, std::string service,
               ipc::DialHost question, std::optional<ipc::DialAnswer>* out) {
  ipc::DialAnswer answer =
      co_await dialer->dial(role, std::move(service), std::move(question));
  out->emplace(std::move(answer));
}

struct Bench {
  ipc::DialAnswer dial(const std::string& host, const std::string& port,
                       Role role = Role::smtpd,
                       const std::string& service = "smtp") {
    std::optional<ipc::DialAnswer> out;
    Nursery nursery;
    nursery.start(ask(&dialer, role, service,
                      ipc::DialHost{host, port, Seconds(10)}, &out));
    loop.run_until([&] { return nursery.empty(); });
    return std::move(*out);
  }

  Loop loop;
  Listening listening;
  test::DnsServer name_server{zone};
  std::unique_ptr<dns::Resolver> resolver = resolver_of(name_server);
  Names names{*resolver, Names::Options{dns::Families::v4, Seconds(5),
                                        "/nonexistent/hosts"}};
  Dialer dialer{names,
                [this](Role role, const std::string& service) {
                  std::vector<config::Endpoint> granted;
                  if (role != Role::smtpd || service != "smtp") return granted;
                  for (const char* host : {"127.0.0.1", "auth.test",
                                           "absent.test"}) {
                    config::Endpoint one;
                    one.kind = config::Endpoint::Kind::host;
                    one.host = host;
                    one.port = listening.port;
                    granted.push_back(one);
                  }
                  config::Endpoint closed = granted.front();
                  closed.port = "1";
                  granted.push_back(closed);
                  closed.port = "no-such-port";
                  granted.push_back(closed);
                  return granted;
                },
                log::Log("postern/lookup")};
};

TEST_CASE("hosts that the configuration names are connected to") {
  Bench bench;
  for (const char* host : {"127.0.0.1", "auth.test"}) {
    CAPTURE(host);
    const ipc::DialAnswer answer = bench.dial(host, bench.listening.port);
    CHECK_FALSE(answer.trouble.present);
    REQUIRE(answer.socket);
    const Fd accepted(::accept(bench.listening.socket.get(), nullptr, nullptr));
    CHECK(accepted);
  }
}

TEST_CASE("others are refused, whoever asks") {
  Bench bench;
  std::string lines;
  log::set_recorder([&](std::string_view, log::Severity, std::string_view t) {
    lines += std::string(t) + "\n";
  });
  const std::string port = bench.listening.port;
  // Resolves to the same place, and is another name.
  for (const ipc::DialAnswer& answer :
       {bench.dial("nowhere.test", port), bench.dial("127.0.0.1", "2"),
        bench.dial("127.0.0.1", port, Role::cleanup),
        bench.dial("127.0.0.1", port, Role::smtpd, "submission")}) {
    CHECK_FALSE(answer.socket);
    CHECK(answer.trouble.permanent);
    CHECK_THAT(answer.trouble.text,
               Catch::StartsWith("the configuration does not name "));
  }
  log::set_recorder({});
  CHECK_THAT(lines, Catch::Contains("asked for a connection to "
                                    "inet:[nowhere.test]:"));
}

TEST_CASE("why a host cannot be reached is said") {
  Bench bench;
  CHECK(bench.dial("127.0.0.1", "1").trouble.text == "Connection refused");
  CHECK(bench.dial("127.0.0.1", "no-such-port").trouble.text ==
        "no such port: no-such-port");
  CHECK_THAT(bench.dial("absent.test", bench.listening.port).trouble.text,
             Catch::Contains("unable to look up host absent.test"));
}

}  // namespace
}  // namespace postern::lookup
