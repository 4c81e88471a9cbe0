// Who gets mail for a local address.
#include "local/expand.h"

#include <catch2/catch.hpp>

#include <ctime>
#include <map>

#include "common/loop/loop.h"
#include "local/forward.h"
#include "local/local_delivery.h"
#include "common/service/rights.h"
#include "local/store.h"
#include "local/storing.h"
#include "local/virtual_delivery.h"

namespace postern::local {
namespace {

using Kind = Destination::Kind;

TEST_CASE("the right-hand side of an alias is read member by member") {
  const std::pair<const char*, std::vector<Destination>> cases[] = {
      {"", {}},
      {" , ,", {}},
      {"alice, bob", {{Kind::address, "alice"}, {Kind::address, "bob"}}},
      {"alice bob", {{Kind::address, "alice"}, {Kind::address, "bob"}}},
      {"Alice <alice@a.test>, b@c.test (Bob)",
       {{Kind::address, "alice@a.test"}, {Kind::address, "b@c.test"}}},
      {"\"dave\"", {{Kind::address, "dave"}}},
      {"\"a b\"@c.test", {{Kind::address, "a b@c.test"}}},
      {"\\alice", {{Kind::user, "alice"}}},
      {"|/bin/cat", {{Kind::command, "/bin/cat"}}},
      {"\"|cat -n, \\\"x\\\"\", bob",
       {{Kind::command, "cat -n, \"x\""}, {Kind::address, "bob"}}},
      {"/var/archive", {{Kind::file, "/var/archive"}}},
      {":include:/etc/list", {{Kind::include, "/etc/list"}}},
      {"\":include:/etc/a b\"", {{Kind::include, "/etc/a b"}}},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(parse_destinations(text) == expected);
  }
}

// A world of tables. Addresses in home.test are local, "user" is completed.
class World : public Directory {
 public:
  std::map<std::string, std::string> aliases;
  std::vector<std::string> users = {"alice", "bob", "carol"};
  std::map<std::string, std::string> forwards;  // by user: text of the file
  std::map<std::string, std::string> lists;     // by path
  std::map<std::string, std::string> tables;    // "maps key": value
  std::map<std::string, os::User> owners;       // of aliases' tables, by key
  std::int64_t list_owner = 0;
  bool extension_in_name = false;
  std::vector<Rights> asked;  // with which :include: files were read
  bool aliases_work = true;
  bool users_work = true;
  bool resolver_works = true;

  Task<Result<std::optional<AliasFound>>> alias(
      std::vector<std::string> keys) override {
    std::optional<AliasFound> found;
    if (!aliases_work) co_return try_later("3.0", "hash:/aliases is broken");
    for (const std::string& key : keys)
      if (const auto entry = aliases.find(key);
          entry != aliases.end() && !found)
        found = AliasFound{key, entry->second, std::nullopt};
    if (found && owners.contains(found->key))
      found->owner = owners.at(found->key);
    co_return std::move(found);
  }
  Task<Result<std::optional<os::User>>> user(std::string name) override {
    std::optional<os::User> found;
    if (!users_work) co_return try_later("3.0", "no answer");
    for (const std::string& each : users)
      if (each == name)
        found = os::User{name, 1000, 1000, "", "/home/" + name, ""};
    co_return std::move(found);
  }
  Task<Result<route::Resolved>> resolve(std::string address) override {
    route::Resolved resolved;
    if (!resolver_works) co_return try_later("3.0", "virtual_alias is broken");
    resolved.transport = address.ends_with("@home.test") ? "local" : "smtp";
    resolved.recipient = address;
    co_return std::move(resolved);
  }
  Task<Result<std::optional<os::User>>> user_by_id(std::int64_t id) override {
    std::optional<os::User> found;
    if (id == 0) found = os::User{"root", 0, 0, "", "/root", ""};
    if (id == 7) found = os::User{"lister", 7, 7, "", "/l", ""};
    co_return std::move(found);
  }
  Task<Result<std::optional<std::string>>> find(std::string maps,
                                                std::string key) override {
    std::optional<std::string> found;
    const auto entry = tables.find(maps + " " + key);
    if (entry != tables.end()) found = entry->second;
    co_return std::move(found);
  }
  Task<Result<ipc::ListAnswer>> forward(os::User user,
                                        ipc::RecipientNames) override {
    ipc::ListAnswer answer;
    const auto entry = forwards.find(user.name);
    answer.found = entry != forwards.end();
    if (answer.found) answer.text = entry->second;
    answer.path = "/home/" + user.name + "/.forward";
    answer.extension_used = extension_in_name;
    co_return std::move(answer);
  }
  Task<Result<ipc::ListAnswer>> include(Rights rights, std::string path,
                                        ipc::RecipientNames) override {
    asked.push_back(rights);
    const auto entry = lists.find(path);
    if (entry == lists.end())
      co_return give_up("3.5", "unable to lookup :include: file " + path);
    ipc::ListAnswer answer;
    answer.found = true;
    answer.text = entry->second;
    answer.path = path;
    answer.owner = list_owner;
    co_return std::move(answer);
  }
  std::string rewrite(const std::string& address) const override {
    if (address.find('@') != std::string::npos) return address;
    return address + "@home.test";
  }
};

Task<> expand(Expansion* expansion, std::string address, Plan* out) {
  *out = co_await expansion->run(std::move(address));
}

// "store alice@home.test", "forward x@y.test from owner-l@home.test", …
std::string text_of(const Step& step) {
  std::string owner = step.owner ? " from " + *step.owner : "";
  switch (step.kind) {
    case Step::Kind::store:
      return "store " + step.recipient + " for " + step.user.name;
    case Step::Kind::file:
      return "file " + step.text + " as " + step.user.name + " by " +
             step.origin;
    case Step::Kind::command:
      return "command " + step.text + " as " + step.user.name + " by " +
             step.origin;
    case Step::Kind::pass:
      return "pass " + step.recipient + " to " + step.text;
    case Step::Kind::forward:
      return "forward " + step.recipient + owner;
    case Step::Kind::discard:
      return "discard " + step.recipient + ": " + step.text;
    case Step::Kind::refuse:
      return step.trouble.status() + " " + step.recipient + ": " +
             step.trouble.text;
  }
  return "";
}

struct Case {
  ExpandRules rules;
  World world;
  std::string head;

  Case() {
    rules.service = "local";
    rules.default_user = os::User{"nobody", 65534, 65534, "", "/none", ""};
  }
  Plan plan(const std::string& address) {
    Loop loop;
    const DeliveredTo delivered_to = DeliveredTo::parse(head);
    Expansion expansion(rules, world, delivered_to);
    Plan out;
    Nursery nursery;
    nursery.start(expand(&expansion, address, &out));
    loop.run_until([&] { return nursery.empty(); });
    return out;
  }
  std::vector<std::string> steps(const std::string& address) {
    std::vector<std::string> texts;
    for (const Step& step : plan(address).steps) texts.push_back(text_of(step));
    return texts;
  }
};

using Texts = std::vector<std::string>;

TEST_CASE("users have mailboxes, others are unknown") {
  Case c;
  CHECK(c.steps("alice@home.test") == Texts{"store alice@home.test for alice"});
  CHECK(c.steps("Alice@home.test") == Texts{"store Alice@home.test for alice"});
  CHECK(c.steps("ghost@home.test") ==
        Texts{"5.1.1 ghost@home.test: unknown user: \"ghost\""});
  CHECK(c.steps("../alice@home.test") ==
        Texts{"5.1.1 ../alice@home.test: unknown user: \"../alice\""});
  CHECK(c.steps("alice+x@home.test") ==
        Texts{"5.1.1 alice+x@home.test: unknown user: \"alice+x\""});
  c.rules.recipient_delimiter = "+";
  CHECK(c.steps("alice+x@home.test") ==
        Texts{"store alice+x@home.test for alice"});
}

TEST_CASE("aliases nest, members get mail once, a name may stand for itself") {
  Case c;
  c.world.aliases = {{"staff", "alice, bob, chiefs"},
                     {"chiefs", "bob, carol"},
                     {"loop", "loop, alice"},
                     {"bob", "bob, x@far.test, X@far.test"},
                     {"self", "\\alice"},
                     {"alias", "alice"},
                     {"alice", "carol"}};
  CHECK(c.steps("chiefs@home.test") ==
        Texts{"store bob@home.test for bob", "forward x@far.test",
              "store carol@home.test for carol"});
  CHECK(c.steps("staff@home.test") == Texts{"store carol@home.test for carol",
                                            "store bob@home.test for bob",
                                            "forward x@far.test"});
  CHECK(c.steps("loop@home.test") ==
        Texts{"5.1.1 loop@home.test: unknown user: \"loop\"",
              "store carol@home.test for carol"});
  CHECK(c.steps("self@home.test") == Texts{"store alice@home.test for alice"});
}

TEST_CASE("aliases that lead to each other end") {
  Case c;
  c.world.aliases = {{"a", "b, b"}, {"b", "a, a"}};
  const Plan plan = c.plan("a@home.test");
  REQUIRE(plan.steps.size() == 1);
  CHECK(plan.steps[0].trouble.status() == "5.4.6");
  CHECK(plan.steps[0].trouble.text == "alias database loop for a");
}

TEST_CASE("a message that was here before is in a loop") {
  Case c;
  c.head =
      "Received: x\nDelivered-To: Bob@home.test\nTo: y\n\n"
      "Delivered-To: carol@home.test\n";
  c.world.aliases = {{"list", "alice, bob, carol"}};
  CHECK(c.steps("list@home.test") ==
        Texts{"store alice@home.test for alice",
              "5.4.6 bob@home.test: mail forwarding loop for bob@home.test",
              "store carol@home.test for carol"});
}

TEST_CASE("an owner makes the members a message of their own") {
  Case c;
  c.world.aliases = {{"list", "alice, x@far.test, sub"},
                     {"owner-list", "carol, alice"},
                     {"sub", "bob"},
                     {"owner-x", "alice"}};
  const Texts owned = {"forward alice@home.test from owner-list@home.test",
                       "forward x@far.test from owner-list@home.test",
                       "forward bob@home.test from owner-list@home.test"};
  CHECK(c.steps("list@home.test") == owned);
  c.rules.expand_owner_alias = true;
  CHECK(c.steps("list@home.test")[0] ==
        "forward alice@home.test from carol@home.test");
  c.rules.reset_owner_alias = true;
  CHECK(c.steps("list@home.test")[2] == "store bob@home.test for bob");
  const Plan plan = c.plan("list@home.test");
  const auto messages = new_messages(plan, "s@far.test");
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].sender == "carol@home.test");
  CHECK(messages[0].delivered == "list@home.test");
  CHECK(messages[0].owned);
  CHECK(messages[0].recipients == Texts{"alice@home.test", "x@far.test"});
  CHECK(new_messages(plan, "")[0].sender.empty());
}

TEST_CASE("extensions are passed on to members when asked") {
  Case c;
  c.rules.recipient_delimiter = "+";
  c.world.aliases = {{"list", "alice, x@far.test"}, {"list+special", "bob"}};
  CHECK(c.steps("list+e@home.test") ==
        Texts{"store alice@home.test for alice", "forward x@far.test"});
  CHECK(c.steps("list+special@home.test") ==
        Texts{"store bob@home.test for bob"});
  c.rules.propagate_extension.alias = true;
  CHECK(c.steps("list+e@home.test") ==
        Texts{"store alice+e@home.test for alice", "forward x+e@far.test"});
}

TEST_CASE("an extension with a slash is none") {
  Case c;
  c.rules.recipient_delimiter = "+";
  c.rules.propagate_extension.alias = true;
  c.world.aliases = {{"list", "bob"}};
  const Plan plan = c.plan("alice+a/root@home.test");
  REQUIRE(plan.steps.size() == 1);
  CHECK(text_of(plan.steps[0]) == "store alice+a/root@home.test for alice");
  CHECK(plan.steps[0].names.extension.empty());
  CHECK(plan.warnings ==
        Texts{"address with illegal extension: alice+a/root"});
  CHECK(c.steps("list+a/root@home.test") ==
        Texts{"5.1.1 list+a/root@home.test: unknown user: \"list\""});
}

TEST_CASE("commands and files of aliases are the default user's") {
  Case c;
  c.world.aliases = {{"cmd", "\"|cat -n\", \"|cat -n\""},
                     {"file", "/x, /x, /dir/"},
                     {"owned", "|cat"}};
  c.world.owners["owned"] = os::User{"lister", 7, 7, "", "/l", ""};
  CHECK(c.steps("cmd@home.test") ==
        Texts{"command cat -n as nobody by alias"});
  CHECK(c.steps("file@home.test") == Texts{"file /x as nobody by alias",
                                           "file /dir/ as nobody by alias"});
  CHECK(c.steps("owned@home.test") == Texts{"command cat as lister by alias"});
  c.rules.commands.alias = c.rules.files.alias = false;
  CHECK(c.steps("cmd@home.test")[0] ==
        "5.7.1 cmd@home.test: mail to command is restricted");
  CHECK(c.steps("file@home.test")[0] ==
        "5.7.1 file@home.test: mail to file is restricted");
  c.rules.commands.alias = true;
  c.rules.default_user.reset();
  CHECK(c.plan("cmd@home.test").deferred());
}

TEST_CASE("a forwarding file stands for its user") {
  Case c;
  c.world.forwards = {{"alice", "# nobody\nx@far.test, bob\n\\alice\n"},
                      {"bob", "|cat\n/mine\n"},
                      {"carol", "\n"}};
  CHECK(c.steps("alice@home.test") ==
        Texts{"forward x@far.test", "forward bob@home.test",
              "store alice@home.test for alice"});
  CHECK(c.steps("bob@home.test") == Texts{"command cat as bob by forward",
                                          "file /mine as bob by forward"});
  CHECK(c.steps("carol@home.test") ==
        Texts{"store carol@home.test for carol"});
  c.rules.commands.forward = c.rules.files.forward = false;
  CHECK(c.steps("bob@home.test") ==
        Texts{"5.7.1 bob@home.test: mail to command is restricted",
              "5.7.1 bob@home.test: mail to file is restricted"});
  c.rules.forwarding = false;
  CHECK(c.steps("bob@home.test") == Texts{"store bob@home.test for bob"});
}

TEST_CASE("who stands in the own forwarding file gets the mail") {
  Case c;
  c.world.forwards = {{"alice", "alice, x@far.test"}};
  CHECK(c.steps("alice@home.test") ==
        Texts{"store alice@home.test for alice", "forward x@far.test"});
  c.world.aliases = {{"al", "alice"}, {"both", "al, alice"}};
  CHECK(c.steps("both@home.test") ==
        Texts{"store alice@home.test for alice", "forward x@far.test"});
}

TEST_CASE("an extension goes on, unless the file's name has it") {
  Case c;
  c.rules.recipient_delimiter = "+";
  c.rules.propagate_extension.forward = true;
  c.world.forwards = {{"alice", "x@far.test"}};
  CHECK(c.steps("alice+e@home.test") == Texts{"forward x+e@far.test"});
  c.world.extension_in_name = true;
  CHECK(c.steps("alice+e@home.test") == Texts{"forward x@far.test"});
}

TEST_CASE("a list has members of its own, and its owner's rights") {
  Case c;
  c.world.aliases = {{"list", ":include:/l"}, {"bad", ":include:l"},
                     {"none", ":include:/n"}, {"loop", ":include:/loop"}};
  c.world.lists = {{"/l", "alice\n# bob\n\"|cat\"\n"},
                   {"/loop", ":include:/loop\nbob\n"}};
  CHECK(c.steps("list@home.test") ==
        Texts{"forward alice@home.test",
              "5.7.1 list@home.test: mail to command is restricted"});
  REQUIRE(c.world.asked.size() == 1);
  CHECK(c.world.asked[0].user.name == "nobody");
  CHECK(c.world.asked[0].origin == "alias");
  c.rules.commands.include = true;
  CHECK(c.steps("list@home.test")[1] == "command cat as nobody by include");
  c.world.list_owner = 7;
  CHECK(c.steps("list@home.test")[1] == "command cat as lister by include");
  c.world.list_owner = 8;
  CHECK(c.steps("list@home.test") ==
        Texts{"4.3.5 list@home.test: mail system configuration error"});
  for (const char* name : {"bad@home.test", "none@home.test"}) {
    const Plan plan = c.plan(name);
    REQUIRE(plan.steps.size() == 1);
    CHECK(plan.steps[0].trouble.status() == "5.3.5");
    CHECK(plan.warnings.size() == 1);
  }
  c.world.list_owner = 0;
  CHECK(c.steps("loop@home.test") == Texts{"forward bob@home.test"});
}

TEST_CASE("a user's list keeps the user's rights") {
  Case c;
  c.rules.commands.include = true;
  c.world.forwards = {{"alice", ":include:/l"}};
  c.world.lists = {{"/l", "|cat"}};
  c.world.list_owner = 7;
  CHECK(c.steps("alice@home.test") ==
        Texts{"command cat as alice by include"});
  CHECK(c.world.asked[0].origin == "forward");
  CHECK(c.world.asked[0].user.name == "alice");
}

TEST_CASE("mailboxes are left to transports and commands where asked") {
  Case c;
  c.rules.mailbox_command = "deliver $EXTENSION";
  CHECK(c.steps("alice@home.test") ==
        Texts{"command deliver $EXTENSION as alice by mailbox_command"});
  c.rules.mailbox_command_maps = "m";
  c.world.tables = {{"m alice", "mine"}, {"t bob", "lmtp:host"},
                    {"f ghost", "other"}};
  CHECK(c.steps("alice@home.test") ==
        Texts{"command mine as alice by mailbox_command_maps"});
  c.rules.mailbox_transport_maps = "t";
  CHECK(c.steps("bob@home.test") == Texts{"pass bob@home.test to lmtp:host"});
  CHECK(c.steps("alice@home.test").size() == 1);
  c.rules.mailbox_transport = "dovecot";
  CHECK(c.steps("alice@home.test") ==
        Texts{"pass alice@home.test to dovecot"});
  // Whoever it is: the transport knows.
  CHECK(c.steps("ghost@home.test") ==
        Texts{"pass ghost@home.test to dovecot"});
  c.rules.mailbox_transport.clear();
  c.rules.fallback_transport = "elsewhere";
  CHECK(c.steps("spirit@home.test") ==
        Texts{"pass spirit@home.test to elsewhere"});
  c.rules.fallback_transport_maps = "f";
  CHECK(c.steps("ghost@home.test") == Texts{"pass ghost@home.test to other"});
}

TEST_CASE("root's commands are the default user's") {
  Case c;
  c.world.aliases = {{"r", "|cat"}};
  c.world.owners["r"] = os::User{"root", 0, 0, "", "/root", ""};
  CHECK(c.steps("r@home.test") == Texts{"command cat as nobody by alias"});
}

TEST_CASE("luser_relay takes what nobody has") {
  Case c;
  c.rules.recipient_delimiter = "+";
  c.rules.luser_relay = "carol+$local@home.test";
  CHECK(c.steps("ghost@home.test") ==
        Texts{"store carol+ghost@home.test for carol"});
  CHECK(c.plan("ghost@home.test").steps[0].delivered == "ghost@home.test");
  c.rules.luser_relay = "$user@far.test";
  CHECK(c.steps("ghost+x@home.test") == Texts{"forward ghost@far.test"});
  c.rules.luser_relay = "nobody@home.test";
  CHECK(c.steps("ghost@home.test") ==
        Texts{"5.1.1 nobody@home.test: unknown user: \"nobody\""});
}

TEST_CASE("values in luser_relay are not expanded again") {
  Case c;
  c.rules.luser_relay = "x+$local@far.test";
  CHECK(c.steps("a${home}b@home.test") ==
        Texts{"forward x+a${home}b@far.test"});
}

TEST_CASE("required names without an alias swallow their mail") {
  Case c;
  for (const char* name : {"postmaster@home.test", "MAILER-DAEMON@home.test"}) {
    const Plan plan = c.plan(name);
    CHECK(text_of(plan.steps[0]) ==
          std::string("discard ") + name + ": discarded");
    REQUIRE(plan.warnings.size() == 1);
    CHECK(plan.warnings[0].starts_with("required alias not found: "));
  }
}

TEST_CASE("what cannot be asked defers, and nothing else is done") {
  Case c;
  c.world.aliases = {{"list", "alice, ghost, bob"}};
  SECTION("aliases") { c.world.aliases_work = false; }
  SECTION("users") { c.world.users_work = false; }
  SECTION("the resolver") { c.world.resolver_works = false; }
  const Plan plan = c.plan("list@home.test");
  CHECK(plan.deferred());
  CHECK_FALSE(plan.warnings.empty());
}

TEST_CASE("the lines that deliveries put before a message") {
  CHECK(separator_line("a@b.test", 0).starts_with("From a@b.test  "));
  CHECK(separator_line("", 0).starts_with("From MAILER-DAEMON  "));
  CHECK(store_headers("a b@c.test", "x@y.test", "z@y.test") ==
        "Return-Path: <\"a b\"@c.test>\nX-Original-To: x@y.test\n"
        "Delivered-To: z@y.test\n");
  CHECK(store_headers("", "", "") == "Return-Path: <>\n");
  const std::string evil = store_headers("a\nX-Evil: b@c.test", "", "");
  CHECK(std::count(evil.begin(), evil.end(), '\n') == 1);
}

TEST_CASE("mailboxes lie where the configuration says") {
  const os::User bob{"bob", 1, 1, "", "/home/bob", ""};
  CHECK(mailbox_path("", "/var/mail", bob) == "/var/mail/bob");
  CHECK(mailbox_path("", "/var/mail/", bob) == "/var/mail/bob/");
  CHECK(mailbox_path("Maildir/", "/x", bob) == "/home/bob/Maildir/");
  CHECK(mailbox_path("Mailbox", "/x", bob) == "/home/bob/Mailbox");
  CHECK_FALSE(mailbox_path("Mailbox", "/x", {"x", 1, 1, "", "", ""}));
  CHECK(store_directory("/var/mail/bob") == "/var/mail");
  CHECK(store_directory("/home/bob/Maildir/") == "/home/bob/Maildir");
}

TEST_CASE("ids in tables are numbers from the least on") {
  CHECK(parse_id("5000", 100) == 5000);
  CHECK(parse_id(" 100 ", 100) == 100);
  for (const char* bad :
       {"7", "0", "-1", "x", "", "4294967295", "99999999999", "5000x"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_id(bad, 100));
  }
}

TEST_CASE("a forwarded message owes no second notice of success") {
  using namespace ipc;
  CHECK(forwarded_notify(0) == 0);
  CHECK(forwarded_notify(notify_failure) == notify_failure);
  CHECK(forwarded_notify(notify_success | notify_failure) == notify_failure);
  CHECK(forwarded_notify(notify_success) == notify_never);
  CHECK(forwarded_notify(notify_never) == notify_never);
}

}  // namespace
}  // namespace postern::local
