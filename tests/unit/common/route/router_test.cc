#include "common/route/router.h"

#include <catch2/catch.hpp>

#include "common/config/config.h"
#include "common/route/lookup_client.h"

namespace postern::route {
namespace {

struct Setup {
  explicit Setup(const std::string& lines)
      : config(*config::Config::parse(
            "myhostname = mail.example.com\nmydomain = example.com\n"
            "myorigin = example.com\nmydestination = example.com, localhost\n"
            "inet_interfaces = loopback-only\n" +
                lines,
            "/etc/postern")),
        router(config, lookup) {
    for (const char* name :
         {"transport_maps", "relocated_maps", "relay_domains",
          "sender_dependent_relayhost_maps",
          "sender_dependent_default_transport_maps"})
      REQUIRE(lookup.preload(config.text(name)).ok());
    router.load();
  }

  // "transport:nexthop", and the address where it is not the one asked for.
  std::string where(const std::string& sender, const std::string& address) {
    std::optional<Result<Resolved>> out;
    Nursery nursery;
    nursery.start(keep(&router, sender, address, &out));
    loop.run_until([&] { return nursery.empty(); });
    REQUIRE(out->ok());
    const Resolved& found = **out;
    std::string text = found.transport + ":" + found.nexthop;
    if (found.recipient != address) text += " " + found.recipient;
    return text;
  }
  static Task<void> keep(Router* router, std::string sender,
                         std::string address,
                         std::optional<Result<Resolved>>* out) {
    Result<Resolved> found =
        co_await router->resolve(std::move(sender), std::move(address));
    out->emplace(std::move(found));
  }

  Loop loop;
  config::Config config;
  LookupClient lookup;
  Router router;
};

TEST_CASE("addresses are completed by their context") {
  struct Case {
    std::string in, local, remote, settings;
  };
  const std::vector<Case> cases = {
      {"", "", "", ""},
      {"user", "user@example.com", "user@remote.test", ""},
      {"user@host", "user@host.example.com", "user@host.remote.test",
       "append_dot_mydomain = yes"},
      {"user@host", "user@host", "user@host", "append_dot_mydomain = no"},
      {"user@a.b.", "user@a.b", "user@a.b", ""},
      {"user@[192.0.2.1]", "user@[192.0.2.1]", "user@[192.0.2.1]", ""},
      {"site.test!user", "user@site.test", "user@site.test", ""},
      {"site.test!user", "site.test!user@example.com",
       "site.test!user@remote.test", "swap_bangpath = no"},
      {"user%site.test", "user@site.test", "user@site.test", ""},
      {"user%site.test", "user%site.test@example.com",
       "user%site.test@remote.test", "allow_percent_hack = no"},
      {"@a.test,@b.test:user@c.test", "user@c.test", "user@c.test", ""},
      {"user", "user", "user", "append_at_myorigin = no"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.in, c.settings);
    Setup r("remote_header_rewrite_domain = remote.test\n" + c.settings +
              "\n");
    CHECK(r.router.rewrite(c.in, Context::local) == c.local);
    CHECK(r.router.rewrite(c.in, Context::remote) == c.remote);
  }
}

TEST_CASE("transport tables are asked from the special to the general") {
  Setup r(
      "recipient_delimiter = +\nrelay_domains = relay.test\n"
      "relay_transport = relay\ndefault_transport = smtp\n"
      "relayhost = [hub.test]\n"
      "transport_maps = inline:{"
      "{user+x@t.test = lmtp:[a]} {user@t.test = lmtp:[b]} {t.test = :[c]} "
      "{.t.test = smtp:[d]} {nothing.test = :} {only.test = uucp:} "
      "{err.test = error} {why.test = error:5.7.1 no} {later.test = retry} "
      "{local.test = local} {bob@example.com = discard:gone} "
      "{[192.0.2.7] = smtp:[e]:26} {* = smtp:[rest]}}\n");
  struct Case {
    const char *address, *where;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"user+x@t.test", "lmtp:[a]"},
           {"USER+x@T.test", "lmtp:[a]"},
           {"user+y@t.test", "lmtp:[b]"},
           {"user@t.test", "lmtp:[b]"},
           {"other@t.test", "smtp:[c]"},
           {"u@s.t.test", "smtp:[d]"},
           {"u@r.s.t.test", "smtp:[d]"},
           {"u@nothing.test", "smtp:[hub.test]"},
           {"u@only.test", "uucp:only.test"},
           {"u@err.test", "error:Address is undeliverable"},
           {"u@why.test", "error:5.7.1 no"},
           {"u@later.test", "retry:Address is undeliverable"},
           {"u@local.test", "local:local.test"},
           {"bob@example.com", "discard:gone"},
           {"u@[192.0.2.7]", "smtp:[e]:26"},
           {"u@else.test", "smtp:[rest]"},
           {"u@relay.test", "smtp:[rest]"},
       }) {
    CAPTURE(c.address);
    CHECK(r.where("", c.address) == c.where);
  }
}

TEST_CASE("parents match with a dot, or without where that is said") {
  const std::string maps = "transport_maps = inline:{{t.test = smtp:[a]}}\n";
  {
    Setup dotted("parent_domain_matches_subdomains =\n" + maps);
    CHECK(dotted.where("", "u@s.t.test") == "smtp:s.t.test");
  }
  Setup plain("parent_domain_matches_subdomains = transport_maps\n" + maps);
  CHECK(plain.where("", "u@s.t.test") == "smtp:[a]");
}

TEST_CASE("the sender decides where tables say so") {
  Setup r(
      "relay_domains = relay.test\nrelayhost = [hub.test]\n"
      "sender_dependent_relayhost_maps = inline:{"
      "{a@s.test = [a.test]} {@t.test = [t.test]:587} {b@t.test = DUNNO} "
      "{<> = [null.test]}}\n"
      "sender_dependent_default_transport_maps = inline:{"
      "{c@s.test = lmtp:[l.test]} {d@s.test = other:}}\n");
  struct Case {
    const char *sender, *address, *where;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"x@x.test", "u@far.test", "smtp:[hub.test]"},
           {"a@s.test", "u@far.test", "smtp:[a.test]"},
           {"a@s.test", "u@relay.test", "relay:[a.test]"},
           {"z@t.test", "u@far.test", "smtp:[t.test]:587"},
           {"b@t.test", "u@far.test", "smtp:[hub.test]"},
           {"", "u@far.test", "smtp:[null.test]"},
           {"c@s.test", "u@far.test", "lmtp:[l.test]"},
           {"c@s.test", "u@relay.test", "relay:[hub.test]"},
           {"d@s.test", "u@far.test", "other:[hub.test]"},
           {"a@s.test", "u@example.com", "local:mail.example.com"},
       }) {
    CAPTURE(c.sender, c.address);
    std::string got = r.where(c.sender, c.address);
    if (got.starts_with("local:")) got = "local:mail.example.com";
    CHECK(got == c.where);
  }
}

TEST_CASE("routed addresses are taken apart as far as they are ours") {
  {
    Setup r("");
    CHECK(r.where("", "u%far.test@example.com") ==
          "smtp:far.test u@far.test");
    CHECK(r.where("", "far.test!u@example.com") ==
          "smtp:far.test u@far.test");
    CHECK(r.where("", "u%far.test@other.test") == "smtp:other.test");
    CHECK(r.where("", "u@").starts_with("error:5.1.3"));
  }
  Setup numeric("resolve_numeric_domain = yes\n");
  CHECK(numeric.where("", "u@192.0.2.9") == "smtp:[192.0.2.9] u@[192.0.2.9]");
}

TEST_CASE("who has moved is not delivered to") {
  Setup r(
      "relocated_maps = inline:{{bob@example.com = new@far.test} {@old.test = "
      "far away}}\n");
  CHECK(r.where("", "bob@example.com") ==
        "error:5.1.6 User has moved to new@far.test");
  CHECK(r.where("", "x@old.test") == "error:5.1.6 User has moved to far away");
}

}  // namespace
}  // namespace postern::route
