#include "common/sandbox/probe.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "common/os/files.h"
#include "common/sandbox/profiles.h"
#include "common/sandbox/sanitized.h"

namespace postern::sandbox {
namespace {

// Both layers speak through these numbers; any other answer means that the
// kernel looked at the call.
bool is_refusal(int error) {
  return error == EPERM || error == EACCES || error == ENOSYS;
}

class Probe {
 public:
  // `result` is that of a system call wrapper, errno fresh from it.
  void saw(std::string what, long result) {
    const int error = result < 0 ? errno : 0;
    results_.push_back({std::move(what), is_refusal(error), error});
  }
  // A call that hands back a descriptor; it is closed again.
  void saw_fd(std::string what, int fd) {
    saw(std::move(what), fd);
    if (fd >= 0) ::close(fd);
  }
  std::vector<ProbeResult> take() { return std::move(results_); }

 private:
  std::vector<ProbeResult> results_;
};

void try_files(Probe& probe, const Profile& row) {
  const bool sees_all = [&] {
    for (const FileRight& right : row.files)
      if (right.view == View::everything) return true;
    return false;
  }();
  if (!sees_all) {
    for (const char* path : {"/etc/shadow", "/etc/passwd", "/", "/proc/1/maps",
                             "/etc/ld.so.cache", "/bin/sh"})
      probe.saw_fd(std::string("open ") + path, ::open(path, O_RDONLY));
  }
  for (const char* directory : {"/tmp", "/var/tmp", "/", "/etc"}) {
    const std::string path = std::string(directory) + "/.postern-probe-" +
                             std::to_string(::getpid());
    probe.saw_fd("create " + path,
                 ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600));
    probe.saw("mkdir " + path, ::mkdir(path.c_str(), 0700));
    probe.saw("symlink " + path, ::symlink("/etc", path.c_str()));
  }
  probe.saw_fd("open /etc/hostname to write",
               ::open("/etc/hostname", O_WRONLY | O_APPEND));
  // Calls that are never granted fail before they look at their arguments.
  probe.saw("truncate", ::truncate("/nonexistent", 0));
  probe.saw("chmod", ::chmod("/nonexistent", 0700));
  probe.saw("chown", ::chown("/nonexistent", 0, 0));
  probe.saw("chroot", ::chroot("/"));
  probe.saw("chdir", ::chdir("/"));
  probe.saw("mknod", ::mknod("/nonexistent/x", S_IFIFO, 0));
  if (!row.has(Grant::files_write)) {
    probe.saw("unlink", ::unlink("/nonexistent"));
    probe.saw("rename", ::rename("/nonexistent", "/nonexistent2"));
    probe.saw("fsync", ::fsync(-1));
  }
  if (!row.has(Grant::hard_links))
    probe.saw("link", ::link("/nonexistent", "/nonexistent2"));
  if (!row.has(Grant::files_read)) probe.saw("access", ::access("/etc", F_OK));
}

void try_socket(Probe& probe, const char* what, int family, int type) {
  probe.saw_fd(std::string("socket ") + what, ::socket(family, type, 0));
}

void try_sockets(Probe& probe, const Profile& row) {
  const bool stream = row.has(Grant::connect_stream);
  const bool datagram = row.has(Grant::ask_dns);
  if (!stream) {
    try_socket(probe, "inet stream", AF_INET, SOCK_STREAM);
    try_socket(probe, "inet6 stream", AF_INET6, SOCK_STREAM);
    if (!row.has(Grant::connect_local))
      try_socket(probe, "unix stream", AF_UNIX, SOCK_STREAM);
  }
  if (!datagram) {
    try_socket(probe, "inet datagram", AF_INET, SOCK_DGRAM);
    try_socket(probe, "inet6 datagram", AF_INET6, SOCK_DGRAM);
  }
  if (!stream && !datagram) {
    if (!row.has(Grant::connect_local))
      probe.saw("connect", ::connect(-1, nullptr, 0));
    probe.saw("bind", ::bind(-1, nullptr, 0));
  }
  if (!row.has(Grant::accept))
    probe.saw("accept", ::accept4(-1, nullptr, nullptr, 0));
  try_socket(probe, "unix datagram", AF_UNIX, SOCK_DGRAM);
  try_socket(probe, "raw", AF_INET, SOCK_RAW);
  try_socket(probe, "netlink", AF_NETLINK, SOCK_RAW);
  try_socket(probe, "packet", AF_PACKET, SOCK_RAW);
  try_socket(probe, "alg", AF_ALG, SOCK_SEQPACKET);
  try_socket(probe, "vsock", AF_VSOCK, SOCK_STREAM);
  int pair[2];
  if (!row.has(Grant::stream_pairs))
    probe.saw("socketpair", ::socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  probe.saw("socketpair of datagrams",
            ::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  probe.saw("listen", ::listen(-1, 1));
}

void try_clone(Probe& probe, const char* what, unsigned long flags) {
  const long child = ::syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) ::_exit(0);
  probe.saw(what, child);
  if (child > 0) ::waitpid(static_cast<pid_t>(child), nullptr, 0);
}

void try_processes(Probe& probe, const Profile& row) {
  try_clone(probe, "fork", 0);
  try_clone(probe, "clone into a new user namespace", CLONE_NEWUSER);
  probe.saw("clone3", ::syscall(SYS_clone3, nullptr, 0));
  // The last two flags exclude each other: allowed, it would answer EINVAL.
  if (!row.has(Grant::threads))
    probe.saw("thread",
              ::syscall(SYS_clone,
                        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                            CLONE_THREAD | CLONE_SYSVSEM | CLONE_DETACHED |
                            CLONE_PIDFD,
                        0, 0, 0, 0));
  // There is no such file: allowed, it would answer ENOENT.
  char* const none[] = {nullptr};
  probe.saw("execve", ::execve("/nonexistent", none, none));
  // Who ends processes that it has started may signal those of its user.
  if (!row.has(Grant::children))
    probe.saw("kill the parent", ::kill(::getppid(), 0));
  if (!sanitized)
    probe.saw("tgkill the parent",
              ::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0));
  probe.saw("setuid", ::setuid(0));
  probe.saw("setgid", ::setgid(0));
  probe.saw("setgroups", static_cast<long>(::syscall(SYS_setgroups, 0, 0)));
  probe.saw("capset", ::syscall(SYS_capset, nullptr, nullptr));
  if (!row.has(Grant::threads))
    probe.saw("setpriority", ::setpriority(PRIO_PROCESS, 0, 0));
  probe.saw("setpriority of others", ::setpriority(PRIO_PROCESS, 1, 19));
  const rlimit limit{1024, 1024};
  probe.saw("setrlimit",
            ::syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, nullptr));
  probe.saw("limits of the parent", ::syscall(SYS_prlimit64, ::getppid(),
                                              RLIMIT_NOFILE, nullptr, nullptr));
  if (!sanitized)
    probe.saw("become dumpable", ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

void try_memory(Probe& probe, const Profile& row) {
  if (!row.has(Grant::name_service) && !sanitized) {
    void* code = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    probe.saw("map writable code", code == MAP_FAILED ? -1 : 0);
    if (code != MAP_FAILED) ::munmap(code, 4096);
  }
  probe.saw_fd("memfd",
               static_cast<int>(::syscall(SYS_memfd_create, "probe", 0u)));
  probe.saw("io_uring", ::syscall(SYS_io_uring_setup, 0, nullptr));
}

}  // namespace

std::vector<ProbeResult> try_forbidden(Role role) {
  const Profile& row = profile(role);
  Probe probe;
  if (!row.confined()) return {};
  try_files(probe, row);
  try_sockets(probe, row);
  try_processes(probe, row);
  try_memory(probe, row);
  return probe.take();
}

Fd probe_report(Role role) {
  const char* prefix = std::getenv("POSTERN_PROBE");
  if (prefix == nullptr) return Fd();
  const std::string path = std::string(prefix) + "." +
                           std::string(name_of(role)) + "." +
                           std::to_string(::getpid());
  return Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

void write_probe(int fd, const std::vector<ProbeResult>& results) {
  std::string text;
  for (const ProbeResult& each : results)
    text += std::string(each.refused ? "refused " : "ALLOWED ") + each.what +
            " " + std::to_string(each.error_number) + "\n";
  [[maybe_unused]] const Status written =
      os::write_all(fd, text, "probe report");
}

}  // namespace postern::sandbox
