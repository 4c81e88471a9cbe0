#include "tests/support/daemon_process.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "common/ipc/messages/control.h"
#include "common/os/files.h"

namespace postern::test {

std::pair<Fd, Fd> socket_pair() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

pid_t start_program(const char* variable, std::vector<std::string> arguments,
                    int control, std::optional<uid_t> user) {
  const char* program = std::getenv(variable);
  REQUIRE(program != nullptr);
  // Opened now: the user may not get to where it lies.
  const Fd executable(::open(program, O_RDONLY | O_CLOEXEC));
  REQUIRE(executable.valid());
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child != 0) return child;
  if (control == 3)
    ::fcntl(3, F_SETFD, 0);
  else
    ::dup2(control, 3);
  ::close_range(4, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
  if (user && ::geteuid() == 0 &&
      (::setgroups(0, nullptr) != 0 || ::setgid(*user) != 0 ||
       ::setuid(*user) != 0))
    ::_exit(126);
  std::vector<char*> words;
  for (std::string& each : arguments) words.push_back(each.data());
  words.push_back(nullptr);
  ::fexecve(executable.get(), words.data(), environ);
  ::_exit(127);
}

DaemonProcess::DaemonProcess(const char* variable, Role role,
                             std::string program)
    : variable_(variable), role_(role), program_(std::move(program)) {
  char path[] = "/tmp/postern-daemon-XXXXXX";
  REQUIRE(::mkdtemp(path) != nullptr);
  directory_ = path;
}

DaemonProcess::~DaemonProcess() {
  control_.reset();
  if (child_ > 0) ::waitpid(child_, nullptr, 0);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void DaemonProcess::start(Settings settings) {
  auto [ours, theirs] = socket_pair();
  child_ = start_program(variable_, {std::string(name_of(role_))},
                         theirs.get());
  control_.emplace(std::move(ours), Role::master, role_,
                   std::string(name_of(role_)));
  theirs.reset();
  const auto has = [&](std::string_view name) {
    return std::any_of(settings.begin(), settings.end(),
                       [&](const auto& each) { return each.first == name; });
  };
  for (const char* name : {"queue_directory", "data_directory"})
    if (!has(name)) settings.emplace_back(name, directory_);
  settings.emplace_back("allow_degraded_isolation", "yes");
  welcome(settings);
}

void DaemonProcess::welcome(const Settings& settings) {
  ipc::Welcome welcome;
  welcome.config_directory = directory_;
  welcome.service = program_;
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

Task<void> DaemonProcess::hear_ready(ipc::Link* link, bool* ready) {
  std::optional<ipc::Frame> frame = co_await link->next(patience);
  *ready = frame && frame->is<ipc::Ready>();
}

bool DaemonProcess::await_ready() {
  bool ready = false;
  Nursery nursery;
  nursery.start(hear_ready(&*control_, &ready));
  loop_.run_until([&] { return nursery.empty(); });
  return ready;
}

std::unique_ptr<ipc::Link> DaemonProcess::link(Role from) {
  auto [ours, theirs] = socket_pair();
  control_->send(ipc::LinkArrival{std::string(name_of(from)),
                                  std::string(name_of(from)), program_,
                                  std::move(theirs)});
  control_->flush_now();
  return std::make_unique<ipc::Link>(std::move(ours), from, role_,
                                     std::string(name_of(role_)));
}

int DaemonProcess::drain() {
  control_->send(ipc::Drain{false});
  control_->flush_now();
  int status = -1;
  REQUIRE(::waitpid(child_, &status, 0) == child_);
  child_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string DaemonProcess::log() const {
  const auto text = os::read_file(directory_ + "/log");
  return text ? *text : text.trouble().text;
}

}  // namespace postern::test
