#include "master/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/os/files.h"
#include "common/os/users.h"
#include "common/sandbox/privileges.h"

namespace postern::master {
namespace {

constexpr int control_descriptor = 3;
constexpr int log_descriptor = 4;

void reset_signals() {
  for (int each = 1; each < NSIG; ++each) {
    if (each == SIGKILL || each == SIGSTOP) continue;
    ::signal(each, SIG_DFL);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

Status set_descriptors(const Child& child) {
  // Whatever is open beyond closes at exec; until then the log works.
  ::close_range(log_descriptor + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return os::system_trouble("open /dev/null", errno);
  for (int each = 0; each <= 2; ++each) {
    if (each != 0 && child.keep_output) continue;
    if (::dup2(null.get(), each) < 0)
      return os::system_trouble("dup2", errno);
  }
  if (::dup2(child.control, control_descriptor) < 0)
    return os::system_trouble("dup2", errno);
  if (child.log_file < 0)
    ::close(log_descriptor);
  else if (::dup2(child.log_file, log_descriptor) < 0)
    return os::system_trouble("dup2", errno);
  return {};
}

Status take_identity(const Child& child) {
  if (!child.identity) return {};
  const Identity& who = *child.identity;
  if (Status done = sandbox::before_ids(child.role); !done) return done;
  if (Status done = os::become(who.uid, who.gid, who.groups); !done)
    return done;
  return sandbox::after_ids(child.role);
}

Status become_child(const Child& child) {
  reset_signals();
  ::setsid();
  ::umask(077);
  if (Status done = set_descriptors(child); !done) return done;
  if (Status done = take_identity(child); !done) return done;
  std::vector<char*> arguments;
  for (const std::string& each : child.arguments)
    arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (const std::string& each : child.environment)
    environment.push_back(const_cast<char*>(each.c_str()));
  environment.push_back(nullptr);
  ::execve(child.executable.c_str(), arguments.data(), environment.data());
  return os::system_trouble("execute " + child.executable, errno);
}

}  // namespace

void reserve_descriptors() {
  for (;;) {
    const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd > log_descriptor || fd < 0) {
      if (fd >= 0) ::close(fd);
      return;
    }
    // Standard ones that were closed by whoever started us stay open for
    // children too.
    if (fd <= 2) ::fcntl(fd, F_SETFD, 0);
  }
}

Result<pid_t> spawn(const Child& child, const log::Log& log) {
  const pid_t pid = ::fork();
  if (pid < 0) return os::system_trouble("fork", errno);
  if (pid > 0) return pid;
  const Status failed = become_child(child);
  log.warning("cannot start {}: {}", child.executable,
              failed.trouble().text);
  ::_exit(1);
}

}  // namespace postern::master
