// TLS levels and logins as a whole delivery sees them, with servers that have
// no TLS or break it. What happens with certificates is shown by
// tests/system/outbound_matrix_test.py.
#include <catch2/catch.hpp>

#include "common/tls/context.h"
#include "tests/unit/smtp/delivery_world.h"

namespace postern::smtp {
namespace {

using namespace test;

Script offering(const Lines& extensions) {
  Script script;
  script.offers = extensions;
  return script;
}

class NoKeys final : public tls::KeyHolder {
 public:
  Task<Result<ipc::IdentityAnswer>> identity(ipc::IdentityFind) override {
    co_return try_later("3.0", "none");
  }
  Task<Result<ipc::SignAnswer>> sign(ipc::SignRequest) override {
    co_return try_later("3.0", "none");
  }
  Task<Result<ipc::TicketKeysAnswer>> ticket_keys(
      ipc::TicketKeysFind) override {
    co_return try_later("3.0", "none");
  }
  Task<Result<ipc::SessionAnswer>> session(ipc::SessionFind) override {
    co_return try_later("3.0", "none");
  }
  void keep(ipc::SessionKeep) override {}
};

struct TlsWorld : World {
  NoKeys keys;
  explicit TlsWorld(TlsLevel level) {
    tls::start_library();
    settings.tls.level = level;
    settings.limits.starttls = Seconds(10);
    tls::ClientSettings client =
        tls::ClientSettings::read(config::Config::defaults(), "smtp");
    REQUIRE(client.fault.empty());
    auto context = tls::ClientContext::make(client, &keys, log);
    REQUIRE(context);
    tls = std::make_unique<TlsClient>(*context, settings, resolver, nullptr);
  }
  bool logged(const std::string& text) const {
    for (const std::string& line : lines)
      if (line.find(text) != std::string::npos) return true;
    return false;
  }
};

bool told(const Sink& sink, const std::string& prefix) {
  for (const Lines& session : sink.sessions())
    for (const std::string& line : session)
      if (line.starts_with(prefix)) return true;
  return false;
}

TEST_CASE("mail that must be encrypted waits for a server that can", "[smtp]") {
  struct Case {
    TlsLevel level;
    Lines offers;
    const char* answer;  // to STARTTLS
    const char* verdict;
  };
  const std::string nowhere = "127.0.0.1[127.0.0.1]";
  const Case cases[] = {
      {TlsLevel::encrypt, {}, "",
       "deferred 4.7.4 | TLS is required, but was not offered by host "
       "127.0.0.1[127.0.0.1]"},
      {TlsLevel::secure, {"PIPELINING"}, "",
       "deferred 4.7.4 | TLS is required, but was not offered by host "
       "127.0.0.1[127.0.0.1]"},
      {TlsLevel::encrypt, {"STARTTLS"}, "454 4.7.0 not now",
       "deferred 4.7.0 | TLS is required, but host 127.0.0.1[127.0.0.1] "
       "refused to start TLS: 454 4.7.0 not now"},
      {TlsLevel::encrypt, {"STARTTLS"}, "220 go",
       "deferred 4.7.5 | Cannot start TLS: handshake failure"},
      {TlsLevel::verify, {"STARTTLS"}, "220 go",
       "deferred 4.7.5 | Cannot start TLS: handshake failure"},
      {TlsLevel::may, {"STARTTLS"}, "220 go",
       "deferred 4.7.5 | Cannot start TLS: handshake failure"},
  };
  for (const Case& c : cases) {
    CAPTURE(name_of(c.level), c.answer);
    TlsWorld world(c.level);
    Script script = offering(c.offers);
    script.rules = {{"STARTTLS", c.answer}};
    Sink sink{script};
    const auto report = world.deliver(request(sink.next_hop(), {"x@b"}));
    world.settle(sink);
    CHECK(verdict(report, 100) == c.verdict);
    CHECK_FALSE(told(sink, "MAIL"));
    CHECK_FALSE(told(sink, "AUTH"));
  }
}

TEST_CASE("mail that may go in the clear does so where TLS is refused",
          "[smtp]") {
  TlsWorld world(TlsLevel::may);
  Script script = offering({"STARTTLS"});
  script.rules = {{"STARTTLS", "454 4.7.0 TLS not available"}};
  Sink sink{script};
  const auto report = world.deliver(request(sink.next_hop(), {"x@b"}));
  CHECK(verdict(report, 100).starts_with("sent"));
  CHECK(sink.sessions().size() == 1);
  CHECK(sink.sessions().front()[1] == "STARTTLS");
  CHECK(sink.sessions().front()[2].starts_with("MAIL"));
}

ipc::DeliverRequest old_message(const std::string& next_hop) {
  ipc::DeliverRequest out = request(next_hop, {"x@b"});
  out.arrival = out.activated - 301'000'000;
  return out;
}

TEST_CASE("a handshake that fails is tried without for mail that has waited",
          "[smtp]") {
  for (const TlsLevel level : {TlsLevel::may, TlsLevel::encrypt}) {
    CAPTURE(name_of(level));
    TlsWorld world(level);
    Script script = offering({"STARTTLS"});
    script.rules = {{"STARTTLS", "220 go"}};
    Sink sink{script};
    const auto report = world.deliver(old_message(sink.next_hop()));
    const bool plain = level == TlsLevel::may;
    CHECK(verdict(report, 100).starts_with("sent") == plain);
    CHECK(sink.sessions().size() == (plain ? 2 : 1));
    CHECK(told(sink, "MAIL") == plain);
    CHECK(world.logged("SSL_connect error to 127.0.0.1[127.0.0.1]:"));
  }
}

TEST_CASE("no password is risked by going on in the clear", "[smtp]") {
  TlsWorld world(TlsLevel::may);
  world.settings.sasl.enabled = true;
  world.settings.sasl.password_maps = "maps";
  Script script = offering({"STARTTLS", "AUTH PLAIN"});
  script.rules = {{"STARTTLS", "220 go"}};
  Sink sink{script};
  world.resolver.table_entries["maps 127.0.0.1"] = "ann:secret";
  const auto report = world.deliver(old_message(sink.next_hop()));
  CHECK(verdict(report, 100) ==
        "deferred 4.7.5 | Cannot start TLS: handshake failure");
  CHECK(sink.sessions().size() == 1);
}

TEST_CASE("what is said before the handshake is not believed", "[smtp]") {
  TlsWorld world(TlsLevel::encrypt);
  Script script = offering({"STARTTLS"});
  script.rules = {{"STARTTLS", "220 go\n250 injected"}};
  Sink sink{script};
  const auto report = world.deliver(request(sink.next_hop(), {"x@b"}));
  CHECK(verdict(report, 100) ==
        "deferred 4.7.5 | Cannot start TLS: handshake failure");
}

TEST_CASE("a policy that cannot be had stops mail, none goes in the clear",
          "[smtp]") {
  TlsWorld world(TlsLevel::may);
  world.settings.tls.policy_maps = "policy";
  Sink sink{Script{}};
  world.resolver.table_entries["policy " + sink.next_hop()] = "sekure";
  const auto report = world.deliver(request(sink.next_hop(), {"x@b"}));
  CHECK(verdict(report, 100) ==
        "deferred 4.7.5 | client TLS configuration problem");
  CHECK(sink.sessions().empty());
  CHECK(world.logged("smtp_tls_policy_maps, next-hop destination \"" +
                     sink.next_hop() +
                     "\": invalid security level \"sekure\""));
}

TEST_CASE("DANE asks below the name that the host is called by", "[smtp]") {
  TlsWorld world(TlsLevel::dane_only);
  world.settings.use_dnssec = world.settings.tls.dnssec = true;
  Sink sink{Script{}};
  ipc::HostAddress host;
  host.host = "mx.b.example";
  host.canonical = "real.b.example";
  host.address = "127.0.0.1";
  host.secure = true;
  world.resolver.answer.addresses = {host};
  world.resolver.answer.used_mx = true;
  world.resolver.answer.secure = true;
  world.resolver.answer.canonical = "b.example";
  world.resolver.dns.status = "nodata";
  const std::string port = std::to_string(sink.port());
  const auto report =
      world.deliver(request("b.example:" + port, {"x@b.example"}));
  CHECK(world.resolver.asked ==
        Lines{"b.example", "_" + port + "._tcp.real.b.example",
              "_" + port + "._tcp.mx.b.example"});
  CHECK(verdict(report, 100) == "deferred 4.7.5 | no TLSA records found");
  CHECK(sink.sessions().empty());
}

struct LoginWorld : World {
  LoginWorld() {
    settings.sasl.enabled = true;
    settings.sasl.password_maps = "maps";
  }
  void set_password(const std::string& key, const std::string& entry) {
    resolver.table_entries["maps " + key] = entry;
  }
};

TEST_CASE("the client logs in before it sends", "[smtp]") {
  LoginWorld world;
  Script script = offering({"AUTH LOGIN PLAIN"});
  script.rules = {{"AUTH", "235 2.7.0 ok"}};
  Sink sink{script};
  world.settings.send_dummy_auth = true;
  world.set_password(sink.next_hop(), "ann:pw");
  const auto report = world.deliver(request(sink.next_hop(), {"x@b"}));
  CHECK(verdict(report, 100).starts_with("sent"));
  CHECK(sink.sessions().front()[1] == "AUTH PLAIN " +
                                          base64_encode(std::string(
                                              "\0ann\0pw", 7)));
  CHECK(sink.sessions().front()[2] == "MAIL FROM:<ann@here.test> AUTH=<>");
  for (const std::string& line : world.lines)
    CHECK(line.find("pw") == std::string::npos);
}

TEST_CASE("strangers are talked to without a login", "[smtp]") {
  LoginWorld world;
  Sink sink{offering({"AUTH PLAIN"})};
  world.settings.send_dummy_auth = true;
  world.set_password("elsewhere", "ann:pw");
  CHECK(verdict(world.deliver(request(sink.next_hop(), {"x@b"})), 100)
            .starts_with("sent"));
  CHECK_FALSE(told(sink, "AUTH"));
  CHECK(sink.sessions().front()[1] == "MAIL FROM:<ann@here.test>");
}

TEST_CASE("a login that fails has its words", "[smtp]") {
  struct Case {
    const char* offers;
    const char* options;
    const char* filter;
    const char* entry;
    const char* answer;
    bool soft;
    const char* verdict;
  };
  const Case cases[] = {
      {"AUTH PLAIN", "", "", "ann:pw", "535 5.7.8 wrong", true,
       "deferred 4.7.8 | SASL authentication failed; server "
       "127.0.0.1[127.0.0.1] said: 535 5.7.8 wrong"},
      {"AUTH PLAIN", "", "", "ann:pw", "535 5.7.8 wrong", false,
       "bounced 5.7.8 | SASL authentication failed; server "
       "127.0.0.1[127.0.0.1] said: 535 5.7.8 wrong"},
      {"AUTH PLAIN", "", "", "ann:pw", "454 4.7.0 later", true,
       "deferred 4.7.0 | SASL authentication failed; server "
       "127.0.0.1[127.0.0.1] said: 454 4.7.0 later"},
      {"AUTH PLAIN LOGIN", "noplaintext", "", "ann:pw", "", true,
       "deferred 4.7.0 | SASL authentication failed; cannot authenticate to "
       "server 127.0.0.1[127.0.0.1]: no mechanism available"},
      {"AUTH GSSAPI", "", "", "ann:pw", "", true,
       "deferred 4.7.0 | SASL authentication failed; cannot authenticate to "
       "server 127.0.0.1[127.0.0.1]: no mechanism available"},
      {"AUTH PLAIN LOGIN", "", "cram-md5", "ann:pw", "", true,
       "deferred 4.7.0 | SASL authentication failed: server "
       "127.0.0.1[127.0.0.1] offered no compatible authentication mechanisms "
       "for this type of connection security"},
      {"AUTH XOAUTH2", "", "", "ann:</run/other", "", true,
       "deferred 4.7.0 | SASL authentication failed; cannot authenticate to "
       "server 127.0.0.1[127.0.0.1]: no token available"},
      {"AUTH SCRAM-SHA-256", "", "", "ann:pw", "235 2.7.0 ok", true,
       "deferred 4.7.0 | SASL authentication failed; cannot authenticate to "
       "server 127.0.0.1[127.0.0.1]: the server has not proved that it knows "
       "the password"},
      {"AUTH CRAM-MD5", "", "", "ann:pw", "334 !!", true,
       "deferred 4.7.0 | SASL authentication failed; cannot authenticate to "
       "server 127.0.0.1[127.0.0.1]: bad challenge"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.offers, c.options, c.filter, c.answer, c.soft);
    LoginWorld world;
    world.settings.sasl.plain = *parse_security_options(c.options);
    world.settings.sasl.soft_bounce = c.soft;
    if (*c.filter != '\0')
      world.settings.sasl.filter = std::make_shared<tables::MatchList>(
          tables::MatchList::parse(c.filter, {}));
    Script script = offering({c.offers});
    script.rules = {{"AUTH", c.answer}, {"*", "501 5.7.0 given up"}};
    Sink sink{script};
    world.set_password("127.0.0.1", c.entry);
    const auto report = world.deliver(request(sink.next_hop(), {"x@b"}));
    CHECK(verdict(report, 100) == c.verdict);
    CHECK_FALSE(told(sink, "MAIL"));
  }
}

TEST_CASE("a token is read at each login", "[smtp]") {
  LoginWorld world;
  Script script = offering({"AUTH PLAIN XOAUTH2"});
  script.rules = {{"AUTH", "235 2.7.0 ok"}};
  Sink sink{script};
  world.set_password("127.0.0.1", "ann@x:</run/token");
  CHECK(verdict(world.deliver(request(sink.next_hop(), {"x@b"})), 100)
            .starts_with("sent"));
  CHECK(told(sink, "AUTH XOAUTH2 " +
                       base64_encode("user=ann@x\1auth=Bearer t0ken\1\1")));
}

TEST_CASE("a password that was refused is not tried again at once",
          "[smtp]") {
  LoginWorld world;
  world.settings.sasl.remember_refusals = true;
  Script script = offering({"AUTH PLAIN"});
  script.rules = {{"AUTH", "535 5.7.8 wrong"}};
  Sink sink{script};
  world.set_password("127.0.0.1", "ann:pw");
  world.deliver(request(sink.next_hop(), {"x@b"}));
  const auto again = world.deliver(request(sink.next_hop(), {"x@b"}));
  CHECK(verdict(again, 100) ==
        "deferred 4.7.8 | SASL [CACHED] authentication failed; server "
        "127.0.0.1 said: 535 5.7.8 wrong");
  CHECK(sink.sessions().size() == 2);
  CHECK_FALSE(std::any_of(sink.sessions().back().begin(),
                          sink.sessions().back().end(),
                          [](const std::string& line) {
                            return line.starts_with("AUTH");
                          }));
}

TEST_CASE("a session is shared by those with the same login alone", "[smtp]") {
  LoginWorld world;
  world.settings.sasl.sender_dependent = true;
  Script script = offering({"PIPELINING", "AUTH PLAIN"});
  script.rules = {{"AUTH", "235 2.7.0 ok"}};
  Sink sink{script};
  world.settings.keep_destinations = {sink.next_hop()};
  world.set_password("ann@here.test", "ann:a");
  world.set_password("bob@here.test", "bob:b");
  const auto send = [&](const std::string& sender) {
    ipc::DeliverRequest ask = request(sink.next_hop(), {"x@b"});
    ask.sender = sender;
    return verdict(world.deliver(std::move(ask)), 100);
  };
  CHECK(send("ann@here.test").starts_with("sent"));
  CHECK(send("ann@here.test").starts_with("sent"));
  CHECK(sink.sessions().size() == 1);
  CHECK(send("bob@here.test").starts_with("sent"));
  CHECK(sink.sessions().size() == 2);
  // Another password in the table: the old login does not count any more.
  world.set_password("ann@here.test", "ann:new");
  CHECK(send("ann@here.test").starts_with("sent"));
  CHECK(sink.sessions().size() == 3);
}

TEST_CASE("a session is not used again under another TLS policy", "[smtp]") {
  TlsWorld world(TlsLevel::may);
  world.settings.tls.policy_maps = "policy";
  Sink sink{offering({"PIPELINING"})};
  world.settings.keep_destinations = {sink.next_hop()};
  CHECK(verdict(world.deliver(request(sink.next_hop(), {"x@b"})), 100)
            .starts_with("sent"));
  world.resolver.table_entries["policy " + sink.next_hop()] = "encrypt";
  CHECK(verdict(world.deliver(request(sink.next_hop(), {"x@b"})), 100) ==
        "deferred 4.7.4 | TLS is required, but was not offered by host "
        "127.0.0.1[127.0.0.1]");
  CHECK(sink.sessions().size() == 2);
}

}  // namespace
}  // namespace postern::smtp
