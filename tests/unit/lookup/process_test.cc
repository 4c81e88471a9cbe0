// The program itself, confined, driven as master drives it.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstdlib>

#include "common/ipc/link.h"
#include "common/ipc/messages/control.h"
#include "common/ipc/messages/lookup.h"
#include "common/os/files.h"
#include "tests/support/dns_server.h"

namespace postern::lookup {
namespace {

constexpr Millis patience{20'000};

constexpr std::string_view zone = R"(
example.test MX 10 mx.example.test
mx.example.test A 192.0.2.1
2.0.0.127.in-addr.arpa PTR mx.example.test
)";

std::pair<Fd, Fd> sockets() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

Task<void> await_ready(ipc::Link* link, bool* ready) {
  std::optional<ipc::Frame> frame = co_await link->next(patience);
  *ready = frame && frame->is<ipc::Ready>();
}

template <class Q>
Task<void> ask(ipc::Link* link, Q question,
               std::optional<Result<typename Q::Answer>>* out) {
  Result<typename Q::Answer> answer = co_await link->call(question, patience);
  out->emplace(std::move(answer));
}

class Process {
 public:
  Process() {
    char path[] = "/tmp/postern-lookup-XXXXXX";
    REQUIRE(::mkdtemp(path) != nullptr);
    directory_ = path;
    REQUIRE(os::make_directories(directory_ + "/data", 0700).ok());
    REQUIRE(os::replace_file(directory_ + "/table", "key value\n").ok());
    auto [ours, theirs] = sockets();
    start(theirs.get());
    control_.emplace(std::move(ours), Role::master, Role::lookup, "lookup");
    theirs.reset();
    welcome();
  }
  ~Process() {
    control_.reset();
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
    for (const char* name : {"/table", "/log"})
      ::unlink((directory_ + name).c_str());
    ::rmdir((directory_ + "/data").c_str());
    ::rmdir(directory_.c_str());
  }

  bool await_ready() {
    bool ready = false;
    Nursery nursery;
    nursery.start(lookup::await_ready(&*control_, &ready));
    loop_.run_until([&] { return nursery.empty(); });
    return ready;
  }
  std::unique_ptr<ipc::Link> link(Role role) {
    auto [ours, theirs] = sockets();
    control_->send(ipc::LinkArrival{std::string(name_of(role)), "test",
                                    "lookup", std::move(theirs)});
    control_->flush_now();
    return std::make_unique<ipc::Link>(std::move(ours), role, Role::lookup,
                                       "lookup");
  }
  template <class Q>
  typename Q::Answer get(ipc::Link& from, Q question) {
    std::optional<Result<typename Q::Answer>> out;
    Nursery nursery;
    nursery.start(ask(&from, std::move(question), &out));
    loop_.run_until([&] { return nursery.empty(); });
    INFO(log());
    REQUIRE(out->ok());
    return std::move(**out);
  }
  // Ends it as a stop of the suite does; its exit status.
  int drain() {
    control_->send(ipc::Drain{false});
    control_->flush_now();
    int status = -1;
    REQUIRE(::waitpid(child_, &status, 0) == child_);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string log() {
    const auto text = os::read_file(directory_ + "/log");
    return text ? *text : text.trouble().text;
  }
  const std::string& directory() const { return directory_; }

 private:
  void start(int control) {
    const char* program = std::getenv("POSTERN_LOOKUP");
    REQUIRE(program != nullptr);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ != 0) return;
    if (control == 3)
      ::fcntl(3, F_SETFD, 0);
    else
      ::dup2(control, 3);
    ::execl(program, program, nullptr);
    ::_exit(127);
  }
  void welcome() {
    ipc::Welcome welcome;
    welcome.config_directory = directory_;
    welcome.service = "lookup";
    const std::pair<std::string, std::string> settings[] = {
        {"dns_servers", name_server_.address()},
        {"inet_protocols", "ipv4"},
        {"data_directory", directory_ + "/data"},
        {"queue_directory", directory_},
        {"allow_degraded_isolation", "yes"},
    };
    for (const auto& [name, value] : settings)
      welcome.settings.push_back({name, value, "main.conf", 1});
    ipc::RowWire row;
    row.name = row.program = "lookup";
    row.type = "unix";
    welcome.rows.push_back(row);
    welcome.suite.push_back(row);
    auto log =
        os::open_file(directory_ + "/log", O_WRONLY | O_APPEND | O_CREAT, 0600);
    REQUIRE(log.ok());
    welcome.log_file = std::move(*log);
    control_->send(welcome);
    control_->flush_now();
  }

  Loop loop_;
  test::DnsServer name_server_{zone};
  std::string directory_;
  pid_t child_ = -1;
  std::optional<ipc::Link> control_;
};

TEST_CASE("the confined program answers every kind of question") {
  Process process;
  const bool ready = process.await_ready();
  INFO(process.log());
  REQUIRE(ready);
  const auto smtpd = process.link(Role::smtpd);
  const auto smtp = process.link(Role::smtp);
  const auto local = process.link(Role::local);
  const std::string table = "texthash:" + process.directory() + "/table";
  CHECK(process.get(*smtpd, ipc::TableFind{table, {"key"}, 1}).value ==
        "value");
  CHECK(process.get(*smtpd, ipc::TableFind{"hash:/nonexistent", {"a"}, 1})
            .trouble.present);
  CHECK(process.get(*local, ipc::UserFind{"root"}).found);
  const ipc::MailHostsAnswer hosts =
      process.get(*smtp, ipc::MailHostsFind{"example.test", true, false, true});
  REQUIRE(hosts.addresses.size() == 1);
  CHECK(hosts.addresses[0].address == "192.0.2.1");
  CHECK(process.get(*smtp, ipc::DnsFind{"nosuch.test", "A"}).status ==
        "nxdomain");
  CHECK(process.get(*smtpd, ipc::ClientNameFind{"127.0.0.2"}).reverse_name ==
        "mx.example.test");
  CHECK(process.get(*smtpd, ipc::AnvilNote{"connect", "smtp:x"}).count == 1);
  CHECK(process.drain() == 0);
  const std::string log = process.log();
  CHECK(log.find("postern/lookup") != std::string::npos);
  CHECK(log.find("warning: hash:/nonexistent is unavailable. open database "
                 "/nonexistent.db: No such file or directory") !=
        std::string::npos);
  CHECK(log.find("/anvil[") != std::string::npos);
  CHECK(log.find("statistics: max connection rate 1/60s for (smtp:x) at ") !=
        std::string::npos);
}

}  // namespace
}  // namespace postern::lookup
