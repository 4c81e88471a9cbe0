// The program itself, confined, driven as master drives it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "common/ipc/link.h"
#include "common/ipc/messages/control.h"
#include "common/ipc/messages/deliver.h"
#include "common/os/files.h"
#include "common/service/delivery_log.h"
#include "tests/unit/smtp/sink.h"

namespace postern::smtp {
namespace {

constexpr Millis patience{20'000};

std::pair<Fd, Fd> sockets() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

Task<void> await_ready(ipc::Link* link, bool* ready) {
  std::optional<ipc::Frame> frame = co_await link->next(patience);
  *ready = frame && frame->is<ipc::Ready>();
}

Task<void> ask(ipc::Link* link, ipc::DeliverRequest question,
               std::optional<Result<ipc::DeliverReport>>* out) {
  Result<ipc::DeliverReport> answer = co_await link->call(question, patience);
  out->emplace(std::move(answer));
}

class Process {
 public:
  explicit Process(const std::string& program) : program_(program) {
    char path[] = "/tmp/postern-smtp-XXXXXX";
    REQUIRE(::mkdtemp(path) != nullptr);
    directory_ = path;
    auto [ours, theirs] = sockets();
    start(theirs.get());
    control_.emplace(std::move(ours), Role::master, Role::smtp, "smtp");
    theirs.reset();
    welcome();
  }
  ~Process() {
    control_.reset();
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
    for (const char* name : {"/log", "/socket"})
      ::unlink((directory_ + name).c_str());
    ::rmdir(directory_.c_str());
  }

  bool is_ready() {
    bool ready = false;
    Nursery nursery;
    nursery.start(await_ready(&*control_, &ready));
    loop_.run_until([&] { return nursery.empty(); });
    return ready;
  }
  std::unique_ptr<ipc::Link> link() {
    auto [ours, theirs] = sockets();
    control_->send(
        ipc::LinkArrival{"qmgr", "qmgr", program_, std::move(theirs)});
    control_->flush_now();
    return std::make_unique<ipc::Link>(std::move(ours), Role::qmgr, Role::smtp,
                                       "smtp");
  }
  std::string deliver(ipc::Link& from, const std::string& next_hop) {
    ipc::DeliverRequest request;
    request.queue_id = "QID";
    request.nexthop = next_hop;
    request.arrival = request.activated = wall_clock();
    request.recipients.emplace_back();
    request.recipients[0].address = "x@there.test";
    request.message = Fd(::memfd_create("message", MFD_CLOEXEC));
    request.content_size = ::write(request.message.get(), "S: x\n\ntext\n", 11);
    std::optional<Result<ipc::DeliverReport>> out;
    Nursery nursery;
    nursery.start(ask(&from, std::move(request), &out));
    loop_.run_until([&] { return nursery.empty(); });
    INFO(log());
    REQUIRE(out->ok());
    REQUIRE((**out).results.size() == 1);
    return (**out).results[0].text;
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
    const char* program = std::getenv("POSTERN_SMTP");
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
    welcome.service = program_;
    const std::pair<std::string, std::string> settings[] = {
        {"myhostname", "here.test"},
        {"data_directory", directory_},
        {"queue_directory", directory_},
        {"allow_degraded_isolation", "yes"},
    };
    for (const auto& [name, value] : settings)
      welcome.settings.push_back({name, value, "main.conf", 1});
    ipc::RowWire row;
    row.name = row.program = program_;
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

  std::string program_;
  Loop loop_;
  std::string directory_;
  pid_t child_ = -1;
  std::optional<ipc::Link> control_;
};

TEST_CASE("the confined program delivers by SMTP", "[smtp][process]") {
  Process process("smtp");
  const bool ready = process.is_ready();
  INFO(process.log());
  REQUIRE(ready);
  test::Sink sink{test::Script{}};
  const auto qmgr = process.link();
  for (int i = 0; i < 3; ++i)
    CHECK(process.deliver(*qmgr, sink.next_hop()) ==
          "delivery via 127.0.0.1[127.0.0.1]:" + std::to_string(sink.port()) +
              ": 250 2.0.0 Ok: taken");
  CHECK(sink.sessions().back().front() == "EHLO here.test");
  CHECK(process.drain() == 0);
  CHECK(process.log().find("/smtp[") != std::string::npos);
  CHECK(process.log().find("QID: to=<x@there.test>, relay=127.0.0.1[127.0.0.1]"
                           ":") != std::string::npos);
}

TEST_CASE("the confined program delivers by LMTP to a local socket",
          "[lmtp][process]") {
  Process process("lmtp");
  const bool ready = process.is_ready();
  INFO(process.log());
  REQUIRE(ready);
  test::Script script;
  script.lmtp = true;
  script.path = process.directory() + "/socket";
  test::Sink sink{script};
  const auto qmgr = process.link();
  CHECK(process.deliver(*qmgr, "unix:socket") ==
        "delivery via here.test[socket]: 250 2.0.0 Ok: taken");
  CHECK(process.deliver(*qmgr, "unix:missing") ==
        "connect to here.test[missing]: No such file or directory");
  CHECK(sink.sessions().front().front() == "LHLO here.test");
  CHECK(process.drain() == 0);
  CHECK(process.log().find("relay=here.test[socket], delay=") !=
        std::string::npos);
}

}  // namespace
}  // namespace postern::smtp
