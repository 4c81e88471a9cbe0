// The programs local and worker, confined, driven as master, qmgr, lookup and
// cleanup drive them.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "common/ipc/messages/content.h"
#include "common/ipc/messages/control.h"
#include "common/ipc/messages/deliver.h"
#include "common/ipc/messages/lookup.h"
#include "common/os/files.h"
#include "common/service/permit.h"
#include "tests/support/daemon_process.h"

namespace postern::local {
namespace {

namespace fs = std::filesystem;
using test::patience;

// One message as cleanup received it.
struct Queued {
  ipc::MessageBegin begin;
  std::vector<ipc::MessageRecipient> recipients;
  std::string content;
};

// Workers end when local does.
struct Workers {
  std::vector<pid_t> started;
  ~Workers() {
    for (const pid_t each : started) ::waitpid(each, nullptr, 0);
  }
};

class Suite {
  Workers workers_;
  test::DaemonProcess daemon_;

 public:
  explicit Suite(const std::string& service,
                 const test::DaemonProcess::Settings& settings,
                 std::vector<std::string> arguments = {})
      : daemon_("POSTERN_LOCAL", Role::local, service),
        directory(daemon_.directory()) {
    // Recipients of the tests share one user id, not root's where possible.
    ::chmod(directory.c_str(), 0755);
    fs::create_directory(directory + "/mail");
    if (::geteuid() == 0)
      REQUIRE(::chown((directory + "/mail").c_str(), user, user) == 0);
    start(settings, std::move(arguments));
    nursery_.start(serve_control());
    qmgr_ = daemon_.link(Role::qmgr);
  }
  ipc::DeliverReport deliver(const std::string& recipient,
                             const std::string& content,
                             const std::string& original = "") {
    const std::string file = directory + "/queue-file";
    REQUIRE(os::replace_file(file, "preamble" + content, 0600).ok());
    ipc::DeliverRequest request;
    request.queue_id = "QID";
    request.service = "local";
    request.sender = "s@far.test";
    request.context = "local";
    request.content_offset = 8;
    request.content_size = static_cast<std::int64_t>(content.size());
    request.arrival = request.activated = 1'000'000;
    request.recipients = {{7, recipient, original, "", ipc::notify_success}};
    auto opened = os::open_file(file, O_RDONLY);
    REQUIRE(opened.ok());
    request.message = std::move(*opened);
    return daemon_.get(*qmgr_, std::move(request));
  }
  int drain() { return daemon_.drain(); }
  std::string log() const { return daemon_.log(); }
  std::string file(const std::string& name) const {
    const auto text = os::read_file(directory + name);
    return text ? *text : text.trouble().text;
  }

  static constexpr uid_t user = 65534;
  const std::string& directory;
  std::map<std::string, std::string> tables;  // key: answer, of all tables
  std::vector<std::string> users;
  std::vector<Queued> queued;
  std::vector<ipc::WorkerRequest> worker_requests;
  std::string program;  // of a row of pipe

 private:
  void start(const test::DaemonProcess::Settings& more,
             std::vector<std::string> arguments) {
    test::DaemonProcess::Settings settings = {
        {"myhostname", "home.test"},
        {"mydestination", "home.test"},
        {"myorigin", "home.test"},
        {"inet_interfaces", "127.0.0.1"},
        {"alias_maps", "hash:/aliases"},
        {"mail_spool_directory", directory + "/mail"}};
    settings.insert(settings.end(), more.begin(), more.end());
    daemon_.start(std::move(settings), std::move(arguments));
  }

  Task<> serve_control() {
    while (daemon_.control().open()) {
      std::optional<ipc::Frame> frame = co_await daemon_.control().next(patience);
      if (!frame) continue;
      if (auto asked = frame->as<ipc::LinkRequest>())
        make_link(frame->id, asked->service);
      else if (auto wanted = frame->as<ipc::WorkerRequest>())
        make_worker(frame->id, std::move(*wanted));
    }
  }
  void make_link(std::uint32_t question, const std::string& service) {
    auto [near, far] = test::socket_pair();
    ipc::LinkAnswer answer;
    answer.peer_role = service;
    answer.socket = std::move(far);
    daemon_.control().reply(question, answer);
    daemon_.control().flush_now();
    const bool lookup = service == "lookup";
    links_.push_back(std::make_unique<ipc::Link>(
        std::move(near), lookup ? Role::lookup : Role::cleanup, Role::local,
        "local"));
    ipc::Link* link = links_.back().get();
    nursery_.start(lookup ? serve_lookup(link) : serve_cleanup(link));
  }
  void make_worker(std::uint32_t question, ipc::WorkerRequest request) {
    auto [near, far] = test::socket_pair();
    const bool runs = request.purpose == "command";
    Permit permit;
    permit.allow_degraded = true;
    permit.user = request.user;
    permit.home = directory + "/mail/home";
    permit.path = request.path;
    permit.list = request.list;
    permit.forward_path = "$home/.forward";
    permit.forward_filter =
        "/.-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    permit.environment_filter = "abc/.@";
    permit.command = request.command;
    permit.directory = "/";
    if (request.origin == "forward" || request.origin == "include")
      permit.origin = request.origin;
    if (request.command.empty()) permit.program = program;
    std::vector<std::string> words = permit.arguments();
    words.insert(words.begin(), runs ? "runner" : "worker");
    workers_.started.push_back(test::start_program(
        runs ? "POSTERN_RUNNER" : "POSTERN_WORKER", words,
                             far.get(), user));
    ipc::LinkAnswer answer;
    answer.peer_role = runs ? "runner" : "worker";
    answer.socket = std::move(near);
    daemon_.control().reply(question, answer);
    worker_requests.push_back(std::move(request));
  }
  Task<> serve_lookup(ipc::Link* link) {
    while (link->open()) {
      std::optional<ipc::Frame> frame = co_await link->next(patience);
      if (!frame) continue;
      if (auto asked = frame->as<ipc::TableFind>())
        link->reply(frame->id, look_up(*asked));
      else if (auto name = frame->as<ipc::UserFind>())
        link->reply(frame->id, look_up_user(name->name));
    }
  }
  ipc::TableAnswer look_up(const ipc::TableFind& question) const {
    ipc::TableAnswer answer;
    for (std::size_t i = 0; i < question.keys.size() && !answer.found; ++i) {
      const auto entry = tables.find(question.keys[i]);
      if (entry == tables.end()) continue;
      answer.found = true;
      answer.key = static_cast<std::int64_t>(i);
      answer.value = entry->second;
    }
    return answer;
  }
  ipc::UserAnswer look_up_user(const std::string& name) const {
    ipc::UserAnswer answer;
    answer.found = std::find(users.begin(), users.end(), name) != users.end();
    answer.name = name;
    answer.uid = answer.gid = user;
    answer.home = directory + "/mail/home";
    return answer;
  }
  Task<> serve_cleanup(ipc::Link* link) {
    Queued message;
    while (link->open()) {
      std::optional<ipc::Frame> frame = co_await link->next(patience);
      if (!frame) continue;
      if (auto begin = frame->as<ipc::MessageBegin>()) {
        message = {std::move(*begin), {}, ""};
        ipc::MessageBegun begun;
        begun.queue_id = "NEWQID";
        link->reply(frame->id, begun);
      } else if (auto recipient = frame->as<ipc::MessageRecipient>()) {
        message.recipients.push_back(std::move(*recipient));
      } else if (auto content = frame->as<ipc::MessageContent>()) {
        message.content += content->bytes;
      } else if (auto end = frame->as<ipc::MessageEnd>()) {
        ipc::MessageVerdict verdict;
        verdict.queue_id = "NEWQID";
        CHECK(end->bytes == static_cast<std::int64_t>(message.content.size()));
        link->reply(frame->id, verdict);
        queued.push_back(std::move(message));
      }
    }
  }

  std::unique_ptr<ipc::Link> qmgr_;
  std::vector<std::unique_ptr<ipc::Link>> links_;
  Nursery nursery_;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("mail for a user is in the mailbox when qmgr hears so") {
  Suite suite("local", {});
  suite.users = {"bob"};
  const auto report =
      suite.deliver("bob@home.test", "Subject: x\n\nFrom y\n", "b@old.test");
  INFO(suite.log());
  REQUIRE(report.results.size() == 1);
  CHECK(report.results[0].index == 7);
  CHECK(report.results[0].outcome == ipc::Outcome::sent);
  CHECK(report.results[0].text == "delivery via local: delivered to mailbox");
  CHECK(report.results[0].success_action == "delivered");
  const std::string box = suite.file("/mail/bob");
  CHECK(box.starts_with("From s@far.test  "));
  CHECK(
      box.ends_with("\nReturn-Path: <s@far.test>\nX-Original-To: b@old.test\n"
                    "Delivered-To: bob@home.test\n"
                    "Subject: x\n\n>From y\n\n"));
  CHECK(has(suite.log(),
            "QID: to=<bob@home.test>, orig_to=<b@old.test>, "
            "relay=local, delay="));
  CHECK(has(suite.log(), "dsn=2.0.0, status=sent (delivered to mailbox)"));
  // The second message finds the workers still there: one that reads, and one
  // that writes and may have the spool's group.
  CHECK(suite.deliver("bob@home.test", "Subject: y\n\n").results[0].outcome ==
        ipc::Outcome::sent);
  REQUIRE(suite.worker_requests.size() == 2);
  CHECK(suite.worker_requests[0].user == "bob");
  CHECK(suite.worker_requests[0].purpose == "mailbox");
  CHECK(suite.worker_requests[0].path.empty());
  CHECK(suite.worker_requests[1].user == "bob");
  CHECK(suite.worker_requests[1].path == suite.directory + "/mail/bob");
  CHECK(suite.drain() == 0);
}

TEST_CASE("unknown users bounce, locked mailboxes defer") {
  Suite suite("local", {{"mailbox_delivery_lock", "dotlock"},
                        {"deliver_lock_attempts", "1"}});
  suite.users = {"bob"};
  const auto unknown = suite.deliver("ghost@home.test", "\n");
  CHECK(unknown.results.at(0).outcome == ipc::Outcome::bounced);
  CHECK(unknown.results[0].status == "5.1.1");
  CHECK(has(suite.log(), "status=bounced (unknown user: \"ghost\")"));
  REQUIRE(os::replace_file(suite.directory + "/mail/bob.lock", "").ok());
  const auto locked = suite.deliver("bob@home.test", "\n");
  CHECK(locked.results.at(0).outcome == ipc::Outcome::deferred);
  const std::string box = suite.directory + "/mail/bob";
  CHECK(locked.results[0].text ==
        "cannot update mailbox " + box +
            " for user bob. unable to create lock file " + box +
            ".lock: File exists");
  CHECK(locked.results[0].status == "4.2.0");
}

TEST_CASE("soft_bounce defers what would bounce") {
  Suite suite("local", {{"soft_bounce", "yes"}});
  const auto report = suite.deliver("ghost@home.test", "\n");
  CHECK(report.results.at(0).outcome == ipc::Outcome::deferred);
  CHECK(has(suite.log(),
            "dsn=4.1.1, status=SOFTBOUNCE (unknown user: \"ghost\")"));
}

TEST_CASE("a delivery status filter has the last word") {
  Suite suite("local", {{"local_delivery_status_filter", "hash:/filter"}});
  suite.users = {"bob"};
  suite.tables = {{"2.0.0 delivered to mailbox", "2.1.9 stored well"},
                  {"5.1.1 unknown user: \"ghost\"", "4.1.1 perhaps later"},
                  {"5.1.1 unknown user: \"spirit\"", "2.0.0 fine"}};
  const auto sent = suite.deliver("bob@home.test", "\n");
  CHECK(sent.results.at(0).outcome == ipc::Outcome::sent);
  CHECK(sent.results[0].status == "2.1.9");
  CHECK(sent.results[0].text == "delivery via local: stored well");
  CHECK(has(suite.log(), "dsn=2.1.9, status=sent (stored well)"));
  const auto later = suite.deliver("ghost@home.test", "\n");
  CHECK(later.results.at(0).outcome == ipc::Outcome::deferred);
  CHECK(has(suite.log(), "dsn=4.1.1, status=deferred (perhaps later)"));
  // A failure stays one.
  const auto failed = suite.deliver("spirit@home.test", "\n");
  CHECK(failed.results.at(0).outcome == ipc::Outcome::bounced);
  CHECK(has(suite.log(), "local_delivery_status_filter: bad status code"));
}

TEST_CASE("each delivery that an alias becomes is told of by itself") {
  Suite suite("local", {});
  suite.users = {"bob"};
  suite.tables = {{"team", "bob, ghost"}};
  const auto report = suite.deliver("team@home.test", "\n");
  REQUIRE(report.results.size() == 1);
  CHECK(report.results[0].outcome == ipc::Outcome::bounced);
  const auto& parts = report.results[0].parts;
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].address == "team@home.test");
  CHECK(parts[0].success_action == "expanded");
  CHECK(parts[0].text == "delivery via local: alias expanded");
  CHECK(parts[1].address == "bob@home.test");
  CHECK(parts[1].outcome == ipc::Outcome::sent);
  CHECK(parts[1].success_action.empty());
  CHECK(parts[2].address == "ghost@home.test");
  CHECK(parts[2].outcome == ipc::Outcome::bounced);
  CHECK(parts[2].relay == "local");
}

TEST_CASE("an alias delivers here and forwards what is elsewhere") {
  Suite suite("local", {{"home_mailbox", "Maildir/"}});
  suite.users = {"bob"};
  suite.tables = {{"list", "bob, x@far.test, y@far.test"}};
  const auto report = suite.deliver("list@home.test", "Subject: x\n\ntext\n");
  INFO(suite.log());
  CHECK(report.results.at(0).outcome == ipc::Outcome::sent);
  CHECK(report.results[0].success_action == "expanded");
  CHECK(has(suite.log(),
            "to=<bob@home.test>, orig_to=<list@home.test>, "
            "relay=local"));
  CHECK(has(suite.log(), "to=<list@home.test>, relay=local"));
  CHECK(has(suite.log(), "status=sent (forwarded as NEWQID)"));
  CHECK(has(suite.log(), "status=sent (delivered to maildir)"));
  REQUIRE(suite.queued.size() == 1);
  const Queued& message = suite.queued[0];
  CHECK(message.begin.sender == "s@far.test");
  REQUIRE(message.recipients.size() == 2);
  CHECK(message.recipients[0].address == "x@far.test");
  CHECK(message.recipients[0].original == "list@home.test");
  CHECK(message.recipients[0].notify == ipc::notify_never);
  CHECK(message.content.starts_with("Received: by home.test ("));
  CHECK(message.content.ends_with(
      "\nDelivered-To: list@home.test\nSubject: x\n\ntext\n"));
}

TEST_CASE("virtual users are found in tables") {
  Suite suite("virtual", {{"virtual_mailbox_maps", "hash:/boxes"},
                          {"virtual_uid_maps", "hash:/ids"},
                          {"virtual_gid_maps", "static:5000"},
                          {"recipient_delimiter", "+"}});
  // One answer serves as path and as id: the box is named like its owner.
  suite.tables = {{"a@box.test", std::to_string(Suite::user)},
                  {"low@box.test", "7"}};
  const auto low = suite.deliver("low@box.test", "\n");
  CHECK(low.results.at(0).status == "4.3.5");
  const auto unknown = suite.deliver("no@box.test", "\n");
  CHECK(unknown.results.at(0).text == "unknown user: \"no@box.test\"");
  CHECK(unknown.results[0].outcome == ipc::Outcome::bounced);
}

TEST_CASE("virtual mail is stored with the ids of the tables") {
  // virtual_mailbox_base ends in the directory that the test made.
  char path[] = "/tmp/postern-virtual-XXXXXX";
  REQUIRE(::mkdtemp(path) != nullptr);
  const std::string base = path;
  if (::geteuid() == 0) REQUIRE(::chown(path, Suite::user, Suite::user) == 0);
  {
    Suite suite("virtual", {{"virtual_mailbox_base", base},
                            {"virtual_mailbox_maps", "inline:{a@box.test=a/}"},
                            {"virtual_uid_maps", "inline:{a@box.test=5000}"},
                            {"virtual_gid_maps", "static:5001"}});
    const auto report = suite.deliver("A@box.test", "Subject: v\n\nx\n");
    INFO(suite.log());
    CHECK(report.results.at(0).text ==
          "delivery via local: delivered to maildir");
    REQUIRE(suite.worker_requests.size() == 1);
    CHECK(suite.worker_requests[0].uid == 5000);
    CHECK(suite.worker_requests[0].gid == 5001);
    CHECK(suite.worker_requests[0].user.empty());
    CHECK(suite.worker_requests[0].path == base + "/a/");
    const auto lost = suite.deliver("lost@box.test", "\n");
    CHECK(lost.results.at(0).outcome == ipc::Outcome::bounced);
    for (const auto& entry : fs::directory_iterator(base + "/a/new"))
      CHECK(has(*os::read_file(entry.path()),
                "Delivered-To: A@box.test\nSubject: v\n\nx\n"));
    CHECK_FALSE(fs::is_empty(base + "/a/new"));
  }
  fs::remove_all(base);
}

TEST_CASE("a forwarding file is read and carried out as its user") {
  Suite suite("local", {});
  suite.users = {"bob"};
  const std::string home = suite.directory + "/mail/home";
  fs::create_directory(home);
  const std::string out = suite.directory + "/mail/out";
  REQUIRE(os::replace_file(home + "/.forward",
                           "\"|cat > " + out + "; echo done\"\n" + home +
                               "/../box\n")
              .ok());
  if (::geteuid() == 0)
    for (const std::string& each : {home, home + "/.forward"})
      REQUIRE(::chown(each.c_str(), Suite::user, Suite::user) == 0);
  const auto report = suite.deliver("bob@home.test", "Subject: x\n\nFrom y\n");
  INFO(suite.log());
  CHECK(report.results.at(0).outcome == ipc::Outcome::sent);
  const std::string text = suite.file("/mail/out");
  CHECK(text.starts_with("From s@far.test  "));
  CHECK(text.ends_with(
      "\nReturn-Path: <s@far.test>\nX-Original-To: bob@home.test\n"
      "Delivered-To: bob@home.test\nSubject: x\n\nFrom y\n"));
  CHECK(has(suite.log(), "status=sent (delivered to command: cat > " + out +
                             "; echo done)"));
  CHECK(has(suite.log(),
            "status=sent (delivered to file: " + home + "/../box)"));
  CHECK(has(suite.file("/mail/box"), "\n>From y\n\n"));
}

TEST_CASE("a runner does not run what the user's file does not name") {
  Suite suite("local", {});
  suite.users = {"bob"};
  const std::string home = suite.directory + "/mail/home";
  fs::create_directory(home);
  const std::string file = home + "/.forward";
  REQUIRE(os::replace_file(file, "\"|rm " + file + "\"\n\"|echo 2\"\n").ok());
  if (::geteuid() == 0)
    for (const std::string& each : {home, file})
      REQUIRE(::chown(each.c_str(), Suite::user, Suite::user) == 0);
  // The first command takes the file away before the second is asked for.
  const auto report = suite.deliver("bob@home.test", "x\n");
  INFO(suite.log());
  CHECK(report.results.at(0).outcome == ipc::Outcome::deferred);
  CHECK(has(suite.log(),
            "dsn=4.3.0, status=deferred (no forwarding file of user bob names "
            "echo 2)"));
}

TEST_CASE("a command's environment is what local(8) says") {
  Suite suite("local", {{"mailbox_command", "env; exit 1"},
                        {"recipient_delimiter", "+"}});
  suite.users = {"bob"};
  const auto report = suite.deliver("bob+abc@home.test", "x\n", "a@old.test");
  const std::string text = report.results.at(0).text;
  CHECK(report.results[0].outcome == ipc::Outcome::bounced);
  CHECK(report.results[0].status == "5.3.0");
  for (const char* entry :
       {"USER=b_b ", "LOGNAME=b_b ", "EXTENSION=abc ", "LOCAL=b_b_abc ",
        "RECIPIENT=b_b_abc@____.____ ", "ORIGINAL_RECIPIENT=a@___.____ ",
        "DOMAIN=____.____ ", "SENDER=_@_a_.____ "}) {
    CAPTURE(text, entry);
    CHECK(has(text, entry));
  }
  CHECK_FALSE(has(text, "CLIENT_"));
}

TEST_CASE("mail goes to the program of a pipe row") {
  Suite suite("pipe",
              {{"pipe_destination_recipient_limit", "1"},
               {"recipient_delimiter", "+"}},
              {"flags=DORFu.", "user=nobody", "argv=/bin/sh", "-c",
               "cat; echo $$0 $$1; exit $$1", "${user}", "${extension}"});
  suite.program = "/bin/sh";
  const auto good = suite.deliver("Xy+0@home.test", "A: b\n\n.x\n", "o@p.test");
  INFO(suite.log());
  CHECK(good.results.at(0).outcome == ipc::Outcome::sent);
  CHECK(good.results[0].success_action == "relayed");
  CHECK(has(suite.log(), "status=sent (delivered via local service (From "
                         "s@far.test  "));
  const auto bad = suite.deliver("Xy+77@home.test", "A: b\n\n.x\n", "o@p.test");
  CHECK(bad.results.at(0).status == "5.7.0");
  CHECK(has(bad.results[0].text, "permission denied. Command output: From "));
  CHECK(bad.results[0].text.ends_with(
      " Return-Path: <s@far.test> X-Original-To: o@p.test "
      "Delivered-To: Xy+77@home.test A: b  ..x xy 77 "));
  const auto loop = suite.deliver("a@home.test", "Delivered-To: A@home.test\n\n");
  CHECK(loop.results.at(0).status == "5.4.6");
  CHECK(loop.results[0].text == "mail forwarding loop for a@home.test");
}

TEST_CASE("mail for a pipe row that cannot be waits") {
  const std::vector<std::string> rows[] = {
      {"user=nobody"},
      {"user=nobody", "argv=/bin/cat", "${nothing}"},
      {"flags=D", "user=nobody", "argv=/bin/cat"},
  };
  for (const std::vector<std::string>& row : rows) {
    Suite suite("pipe", {}, row);
    const auto report = suite.deliver("x@home.test", "\n");
    CHECK(report.results.at(0).status == "4.3.5");
    CHECK(report.results[0].text == "mail system configuration error");
    CHECK(has(suite.log(), "mail for it is deferred"));
  }
}

TEST_CASE("mailboxes go to another transport where asked") {
  Suite suite("local", {{"mailbox_transport", "discard:gone"}});
  const auto report = suite.deliver("bob@home.test", "\n");
  CHECK(has(suite.log(), "QID: passing <bob@home.test> to transport=discard"));
  // The suite of this test has no such row.
  CHECK(report.results.at(0).status == "4.3.5");
  CHECK(has(suite.log(), "there is no service discard in master.conf"));
}

}  // namespace
}  // namespace postern::local
