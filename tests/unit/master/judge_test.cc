// What master lets local become: its own reading decides.
#include "master/judge.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>

#include "common/os/files.h"
#include "common/os/users.h"

namespace postern::master {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

struct Court {
  explicit Court(std::string program, Words arguments = {}) {
    row.name = row.program = std::move(program);
    row.args = std::move(arguments);
    // nobody would be one of the suite's own users where none of them exists.
    Identity own{"postern", 64000, 64000, {64000}};
    identities.of_class[sandbox::UserClass::queue] = own;
    identities.drop_group = 64001;
    settings = {{"mail_spool_directory", "/var/mail"},
                {"default_privs", "nobody"},
                {"alias_maps", ""},
                {"queue_directory", "/q"}};
  }
  Result<Verdict> judge(const ipc::WorkerRequest& request) const {
    const config::Config config =
        config::Config::defaults().with_overrides(settings);
    return master::judge(request, {row, config, &identities, environment});
  }
  std::string refusal(const ipc::WorkerRequest& request) const {
    const Result<Verdict> verdict = judge(request);
    return verdict ? "" : verdict.trouble().text;
  }
  // The message waits: true.
  bool for_now(const ipc::WorkerRequest& request) const {
    const Result<Verdict> verdict = judge(request);
    return !verdict && verdict.trouble().temporary();
  }
  void set(const std::string& name, const std::string& value) {
    settings.emplace_back(name, value);
  }

  config::ServiceRow row;
  Identities identities;
  config::NameValues settings;
  Words environment = {"PATH=/sbin", "TZ=UTC", "MAIL_CONFIG=/c", "SECRET=x"};
};

ipc::WorkerRequest request_for(const char* purpose, const char* user) {
  ipc::WorkerRequest request;
  request.purpose = purpose;
  request.user = user;
  const auto found = os::find_user(std::string(user));
  if (found && *found) {
    request.uid = (*found)->uid;
    request.gid = (*found)->gid;
  }
  return request;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a local mailbox is the one that the configuration names") {
  Court court("local");
  auto request = request_for("mailbox", "daemon");
  request.path = "/var/mail/daemon";
  const auto verdict = court.judge(request);
  REQUIRE(verdict);
  CHECK(verdict->role == Role::worker);
  CHECK(verdict->identity->uid == 1);
  CHECK(verdict->permit.path == "/var/mail/daemon");
  // It may have the group that can read everybody's mailbox.
  CHECK(verdict->permit.forward_path.empty());
  CHECK(verdict->permit.command.empty());
  for (const char* path : {"/var/mail/bin", "/etc/passwd", "/var/mail/daemon/",
                           "/var/mail/../mail/daemon"}) {
    CAPTURE(path);
    request.path = path;
    CHECK(has(court.refusal(request), "the mailbox of user daemon is not"));
  }
  request.path = "";
  const auto reader = court.judge(request);
  REQUIRE(reader);
  CHECK(has(reader->permit.forward_path, "$home/.forward"));
  CHECK(reader->identity->gid == static_cast<gid_t>(request.gid));
  court.set("home_mailbox", "Maildir/");
  const auto daemon = os::find_user(std::string("daemon"));
  REQUIRE(daemon);
  request.path = (*daemon)->home + "/Maildir/";
  const auto at_home = court.judge(request);
  REQUIRE(at_home);
  CHECK(has(at_home->permit.forward_path, "$home/.forward"));
}

TEST_CASE("ids are those of the user database") {
  const Court court("local");
  auto request = request_for("mailbox", "daemon");
  for (const std::int64_t uid : {std::int64_t{0}, std::int64_t{2},
                                 std::int64_t{-1}, std::int64_t{4294967297}}) {
    request.uid = uid;
    CHECK(has(court.refusal(request), "user daemon does not have id"));
  }
  request.user = "no-such-user";
  CHECK_FALSE(court.judge(request));
  request.user = "";
  CHECK_FALSE(court.judge(request));
}

TEST_CASE("what local has seen otherwise waits, policy is for good") {
  Court court("local");
  auto request = request_for("mailbox", "daemon");
  request.path = "/var/mail/bin";
  CHECK(court.for_now(request));
  // As a user database that is short of descriptors answers.
  request.user = "no-such-user";
  CHECK(court.for_now(request));
  request = request_for("command", "daemon");
  request.command = "x";
  for (const char* origin :
       {"mailbox_command", "mailbox_command_maps", "alias"}) {
    CAPTURE(origin);
    request.origin = origin;
    CHECK(court.for_now(request));
  }
  request.origin = "include";
  CHECK_FALSE(court.for_now(request));
  request = request_for("file", "root");
  request.path = "/etc/passwd";
  request.origin = "forward";
  CHECK_FALSE(court.for_now(request));
  const Court pipe("pipe", {"user=no-such-user", "argv=/bin/cat"});
  CHECK(pipe.for_now(request_for("command", "daemon")));
}

TEST_CASE("root has a mailbox, and nothing else is done as root") {
  Court court("local");
  court.set("mailbox_command", "x");
  court.set("allow_mail_to_files", "alias,forward,include");
  auto request = request_for("mailbox", "root");
  request.path = "/var/mail/root";
  const auto verdict = court.judge(request);
  REQUIRE(verdict);
  CHECK(verdict->identity->uid == 0);
  request = request_for("command", "root");
  request.command = "x";
  request.origin = "mailbox_command";
  CHECK(has(court.refusal(request), "as root"));
  request = request_for("file", "root");
  request.path = "/etc/passwd";
  request.origin = "forward";
  CHECK(has(court.refusal(request), "as root"));
  request = request_for("list", "root");
  request.list = "/etc/shadow";
  request.origin = "forward";
  CHECK(has(court.refusal(request), "as root"));
}

TEST_CASE("the mail system's own users and groups are nobody's worker") {
  Court court("local");
  auto request = request_for("mailbox", "daemon");
  court.identities.of_class[sandbox::UserClass::auth] = {"daemon", 1, 9, {9}};
  CHECK(has(court.refusal(request), "belongs to the mail system"));
  court.identities.of_class[sandbox::UserClass::auth] = {"x", 9, 1, {1}};
  CHECK(has(court.refusal(request), "belongs to the mail system"));
  court.identities.of_class.erase(sandbox::UserClass::auth);
  court.identities.drop_group = 1;
  CHECK(has(court.refusal(request), "belongs to the mail system"));
}

TEST_CASE("a command is one that the configuration or the user's file names") {
  Court court("local");
  auto request = request_for("command", "daemon");
  request.command = "deliver";
  request.origin = "mailbox_command";
  CHECK(has(court.refusal(request), "mailbox_command is another command"));
  court.set("mailbox_command", "deliver");
  const auto verdict = court.judge(request);
  REQUIRE(verdict);
  CHECK(verdict->role == Role::runner);
  CHECK(verdict->permit.command == "deliver");
  CHECK(verdict->permit.origin.empty());
  CHECK(verdict->permit.directory.empty());
  CHECK(verdict->permit.queue_directory == "/q");
  CHECK(verdict->permit.time_limit == 1'000'000);
  CHECK(verdict->identity->groups == std::vector<gid_t>{1});
  request.command = "deliver; more";
  CHECK_FALSE(court.judge(request));
  request.origin = "mailbox_command_maps";
  CHECK(has(court.refusal(request), "mailbox_command_maps is empty"));
  // The runner itself looks into the file.
  request.origin = "forward";
  const auto forward = court.judge(request);
  REQUIRE(forward);
  CHECK(forward->permit.origin == "forward");
  CHECK_FALSE(forward->permit.forward_path.empty());
  request.origin = "include";
  CHECK(has(court.refusal(request), "not allowed by include"));
  court.set("allow_mail_to_commands", "");
  request.origin = "forward";
  CHECK(has(court.refusal(request), "not allowed by forward"));
  request.origin = "";
  CHECK(has(court.refusal(request), "not allowed by anybody"));
}

TEST_CASE("a list that a list names is read as the outer one's owner") {
  Court court("local");
  auto request = request_for("list", "daemon");
  request.list = "/home/d/inner";
  request.origin = "alias";
  CHECK(has(court.refusal(request), "neither default_privs nor the owner"));
  request.origin = "include";
  CHECK(has(court.refusal(request), "no absolute path"));
  request.path = "/home/d/outer";
  const auto verdict = court.judge(request);
  REQUIRE(verdict);
  CHECK(verdict->identity->uid == 1);
  // Which names it, or the worker reads nothing.
  CHECK(verdict->permit.origin == "include");
  CHECK(verdict->permit.outer_list == "/home/d/outer");
  CHECK(verdict->permit.path.empty());
}

TEST_CASE("what an alias names is the default user's or the table's owner's") {
  Court court("local");
  auto request = request_for("command", "nobody");
  request.command = "cat";
  request.origin = "alias";
  CHECK(court.judge(request));
  request = request_for("command", "daemon");
  request.command = "cat";
  request.origin = "alias";
  CHECK(has(court.refusal(request), "neither default_privs nor the owner"));
  if (::geteuid() != 0) return;
  const std::string table = "/tmp/postern-judge." + std::to_string(::getpid());
  REQUIRE(os::replace_file(table + ".db", "").ok());
  REQUIRE(::chown((table + ".db").c_str(), 1, 1) == 0);
  court.set("alias_maps", "hash:" + table);
  CHECK(court.judge(request));
  fs::remove(table + ".db");
}

TEST_CASE("virtual mailboxes lie below their base, with ids from the least") {
  Court court("virtual");
  court.set("virtual_mailbox_base", "/srv/vmail/");
  court.set("virtual_minimum_uid", "1000");
  ipc::WorkerRequest request;
  request.purpose = "mailbox";
  request.uid = 5000;
  request.gid = 5001;
  request.path = "/srv/vmail/a/";
  const auto verdict = court.judge(request);
  REQUIRE(verdict);
  CHECK(verdict->identity->uid == 5000);
  CHECK(verdict->identity->groups == std::vector<gid_t>{5001});
  CHECK(verdict->permit.forward_path.empty());
  for (const char* path :
       {"/srv/vmail", "/srv/vmailx/a", "/etc/passwd", "a", "",
        "/srv/vmail/../../etc/passwd"}) {
    CAPTURE(path);
    request.path = path;
    CHECK(has(court.refusal(request), "is not below virtual_mailbox_base"));
  }
  request.path = "/srv/vmail/a";
  for (const std::int64_t uid :
       {std::int64_t{0}, std::int64_t{999}, std::int64_t{-1},
        std::int64_t{0xffffffff}, std::int64_t{0x100000000}}) {
    request.uid = uid;
    CHECK(has(court.refusal(request), "no ids for a virtual mailbox"));
  }
  request.uid = 5000;
  request.gid = 0;
  CHECK_FALSE(court.judge(request));
  request.gid = 5001;
  request.purpose = "command";
  CHECK(has(court.refusal(request), "virtual needs mailboxes only"));
}

TEST_CASE("a pipe row's program runs as the row says, whatever is asked") {
  Court court("pipe", {"user=daemon:mail", "directory=/srv/$x",
                       "argv=/usr/bin/prog", "-a"});
  court.set("pipe_time_limit", "7s");
  auto request = request_for("command", "root");
  request.command = "rm -r /";
  const auto verdict = court.judge(request);
  REQUIRE(verdict);
  CHECK(verdict->identity->uid == 1);
  CHECK(verdict->identity->gid == 8);
  CHECK(verdict->permit.program == "/usr/bin/prog");
  CHECK(verdict->permit.command.empty());
  CHECK(verdict->permit.home.empty());
  CHECK(verdict->permit.directory == "/srv/$$x");
  CHECK(verdict->permit.time_limit == 7'000);
  request.purpose = "mailbox";
  CHECK(has(court.refusal(request), "pipe needs commands only"));
}

TEST_CASE("rows as root or without a user are refused") {
  const std::pair<Words, const char*> rows[] = {
      {{"user=root", "argv=/x"}, "as root"},
      {{"user=daemon:root", "argv=/x"}, "as root"},
      {{"user=no-such-user", "argv=/x"}, "unknown username: no-such-user"},
      {{"user=daemon:no-such-group", "argv=/x"}, "unknown group"},
      {{"argv=/x"}, "missing user="},
      {{"user=daemon", "chroot=/srv", "argv=/x"}, "chroot"},
  };
  for (const auto& [arguments, why] : rows) {
    CAPTURE(why);
    const Court court("pipe", arguments);
    CHECK(has(court.refusal(request_for("command", "daemon")), why));
  }
}

TEST_CASE("other services have no use for workers") {
  const Court court("smtp");
  CHECK(has(court.refusal(request_for("mailbox", "daemon")), "no use"));
}

TEST_CASE("without root everything runs as who started it") {
  Court court("pipe", {"user=daemon", "argv=/x"});
  const config::Config config =
      config::Config::defaults().with_overrides(court.settings);
  const auto verdict =
      master::judge(request_for("command", "daemon"),
                    {court.row, config, nullptr, court.environment});
  REQUIRE(verdict);
  CHECK_FALSE(verdict->identity);
}

TEST_CASE("commands see the environment that is exported") {
  const Words current = {"PATH=/sbin", "TZ=UTC", "LANG=C", "SECRET=x"};
  const auto sorted = [&](const std::string& list) {
    Words words = exported_environment(list, current);
    std::sort(words.begin(), words.end());
    return words;
  };
  CHECK(sorted("") == Words{"PATH=/usr/bin:/bin"});
  CHECK(sorted("TZ LANG NONE") ==
        Words{"LANG=C", "PATH=/usr/bin:/bin", "TZ=UTC"});
  CHECK(sorted("TZ, FOO=bar, { X = a b }") ==
        Words{"FOO=bar", "PATH=/usr/bin:/bin", "TZ=UTC", "X=a b"});
  CHECK(sorted("TZ=Mars TZ=Venus =x") ==
        Words{"PATH=/usr/bin:/bin", "TZ=Venus"});
}

TEST_CASE("a permit is the same on the other side") {
  Permit permit;
  permit.tag = "postern/local";
  permit.user = "bob";
  permit.command = "a=b\nc \"d\"";
  permit.time_limit = 12;
  permit.log_file = true;
  const auto again = Permit::parse(permit.arguments());
  REQUIRE(again);
  CHECK(again->arguments() == permit.arguments());
  CHECK(again->command == permit.command);
  CHECK(again->log_file);
  CHECK_FALSE(again->allow_degraded);
  CHECK_FALSE(Permit::parse({"nothing=x"}));
  CHECK_FALSE(Permit::parse({"word"}));
}

}  // namespace
}  // namespace postern::master
