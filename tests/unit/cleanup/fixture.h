// A queue directory of its own, an address book that needs nobody, and what
// else a message needs on its way.
#pragma once

#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cleanup/submission.h"
#include "common/config/config.h"
#include "common/mail/address.h"
#include "common/os/files.h"

namespace postern::cleanup::test {

// Completes addresses with mail.test (local) or remote.invalid; tables are
// maps by the name of the list.
class FakeBook final : public AddressBook {
 public:
  std::map<std::string, std::map<std::string, std::string>> tables;
  bool broken = false;
  bool no_routes = false;

  std::string rewrite(const std::string& address,
                      route::Context context) const override {
    if (address.empty() || address.find('@') != std::string::npos)
      return address;
    return address + (context == route::Context::local ? "@mail.test"
                                                       : "@remote.invalid");
  }
  Task<Result<ipc::RouteWire>> resolve(std::string, std::string address)
      override {
    if (no_routes) co_return try_later("3.0", "no table");
    ipc::RouteWire route;
    route.transport = "smtp";
    route.nexthop = std::string(mail::split_address(address).domain);
    route.address = address;
    co_return std::move(route);
  }
  Task<Result<bool>> is_local(std::string domain) override {
    co_return domain == "mail.test";
  }
  Task<Result<ipc::TableAnswer>> find(std::string maps,
                                      std::vector<std::string> keys,
                                      std::int64_t) override {
    if (broken) co_return try_later("3.0", "table is unreachable");
    ipc::TableAnswer answer;
    const auto& table = tables[maps];
    for (std::size_t i = 0; i < keys.size() && !answer.found; ++i) {
      const auto found = table.find(keys[i]);
      if (found == table.end()) continue;
      answer.found = true;
      answer.key = static_cast<std::int64_t>(i);
      answer.value = found->second;
    }
    co_return std::move(answer);
  }
};

inline config::Config configure(const std::string& lines) {
  Result<config::Config> parsed = config::Config::parse(
      "myhostname = mail.test\nmyorigin = mail.test\nmail_name = Postfix\n" +
          lines,
      "/etc/postern");
  REQUIRE(parsed.ok());
  return std::move(*parsed);
}

inline Task<Result<std::unique_ptr<ipc::Link>>> no_link() {
  co_return try_later("3.0", "no qmgr here");
}

class Fixture {
 public:
  explicit Fixture(const std::string& lines = "")
      : config(configure(lines)),
        settings(config),
        directory(make_directory()),
        spool(options()),
        admission(no_link) {
    log::set_recorder([this](std::string_view tag, log::Severity severity,
                             std::string_view text) {
      logged.push_back(std::string(tag) + ": " +
                       (severity == log::Severity::warning ? "warning: " : "") +
                       std::string(text));
    });
  }
  ~Fixture() {
    log::set_recorder({});
    [[maybe_unused]] const int done =
        std::system(("rm -rf '" + directory + "'").c_str());
  }

  Means means() { return {settings, spool, book, syncs, admission, log}; }

  // Runs a task to its end.
  void run(Task<void> task) {
    Nursery nursery;
    nursery.start(std::move(task));
    loop.run_until([&] { return nursery.empty(); });
  }

  std::vector<std::string> names(queue::Box box) {
    std::vector<std::string> out;
    REQUIRE(spool.scan(box, [&](const std::string& name) {
      out.push_back(name);
      return true;
    }).ok());
    return out;
  }
  queue::Stored stored(const std::string& id,
                       queue::Box box = queue::Box::incoming) {
    queue::Spool::Opened opened = spool.open(box, id, true);
    INFO(opened.text);
    REQUIRE(opened.message);
    return std::move(*opened.message);
  }
  std::string content(const std::string& id,
                      queue::Box box = queue::Box::incoming) {
    const queue::Stored message = stored(id, box);
    Result<std::string> bytes = os::read_at(
        message.fd.get(), static_cast<std::size_t>(message.layout.content_size),
        message.layout.content_offset, "test");
    REQUIRE(bytes.ok());
    return std::move(*bytes);
  }
  bool has_logged(const std::string& part) const {
    for (const std::string& line : logged)
      if (line.find(part) != std::string::npos) return true;
    return false;
  }

  Loop loop;
  config::Config config;
  Settings settings;
  std::string directory;
  queue::Spool spool;
  FakeBook book;
  SyncPool syncs;
  Admission admission;
  log::Log log{"cleanup"};
  std::vector<std::string> logged;

 private:
  static std::string make_directory() {
    char name[] = "/tmp/postern-cleanup-XXXXXX";
    const std::string made = ::mkdtemp(name);
    for (const char* box :
         {"maildrop", "incoming", "active", "deferred", "hold", "corrupt"})
      REQUIRE(os::make_directories(made + "/" + box, 0700).ok());
    return made;
  }
  queue::SpoolOptions options() const {
    queue::SpoolOptions out;
    out.directory = directory;
    out.long_ids = config.get<"enable_long_queue_ids">();
    return out;
  }
};

struct LinkPair {
  LinkPair(Role near_role, Role far_role) {
    int fds[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    near_end = std::make_unique<ipc::Link>(Fd(fds[0]), near_role, far_role,
                                           std::string(name_of(far_role)));
    far_end = std::make_unique<ipc::Link>(Fd(fds[1]), far_role, near_role,
                                          std::string(name_of(near_role)));
  }
  std::unique_ptr<ipc::Link> near_end, far_end;
};

// A whole message in one go.
struct Mail {
  ipc::MessageBegin begin;
  std::vector<ipc::MessageRecipient> recipients;
  std::string content;
  std::size_t cut = 1u << 20;  // content in pieces of this size
  ipc::MessageVerdict verdict;

  explicit Mail(std::string text) : content(std::move(text)) {
    begin.arrival = 1700000000123456;
    begin.sender = "sender@example.org";
    begin.context = "local";
    to("rcpt@example.com");
  }
  Mail& to(const std::string& address, std::int64_t notify = 0) {
    ipc::MessageRecipient recipient;
    recipient.address = address;
    recipient.notify = notify;
    recipients.push_back(recipient);
    return *this;
  }
};

inline Task<void> submit(const Means* means, Mail* mail,
                         std::optional<ipc::NoticeRequest>* report = nullptr) {
  Result<std::unique_ptr<Submission>> made =
      Submission::create(*means, mail->begin);
  REQUIRE(made.ok());
  const std::unique_ptr<Submission> submission = std::move(*made);
  co_await submission->start();
  for (std::size_t i = 0; i < mail->recipients.size(); ++i) {
    co_await submission->recipient(mail->recipients[i]);
  }
  for (std::size_t at = 0; at < mail->content.size(); at += mail->cut) {
    std::string piece = mail->content.substr(at, mail->cut);
    co_await submission->content(std::move(piece));
  }
  mail->verdict = co_await submission->finish();
  if (report != nullptr) *report = submission->take_report();
}

inline void pass(Fixture& fixture, Mail& mail) {
  const Means means = fixture.means();
  fixture.run(submit(&means, &mail));
}

}  // namespace postern::cleanup::test
