// For profile_test.py: preloaded into the real daemons (import_environment in
// main.conf). When a daemon has locked itself (seccomp_load is the last step of
// sandbox::lock), tries what its profile forbids from inside it, and writes the
// outcomes to a file that was opened before.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

int report = -1;

void note(const char* what, bool allowed) {
  char line[200];
  const int n = std::snprintf(line, sizeof line, "%s %s %d\n", what,
                              allowed ? "allowed" : "refused", errno);
  if (::write(report, line, static_cast<std::size_t>(n)) < 0) _exit(3);
}

void note_fd(const char* what, int fd) {
  note(what, fd >= 0);
  if (fd >= 0) ::close(fd);
}

bool exec_works() {
  char program[] = "/bin/true";
  char* arguments[] = {program, nullptr};
  char* environment[] = {nullptr};
  return ::execve(program, arguments, environment) == 0;
}

bool connects_to(const char* path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const bool done = ::connect(fd, reinterpret_cast<sockaddr*>(&address),
                              sizeof address) == 0;
  ::close(fd);
  return done;
}

void attempt_all() {
  const char* directory = std::getenv("POSTERN_PROBE");
  const std::string outside = std::string(directory) + "/outside";
  const std::string socket = std::string(directory) + "/socket";
  note_fd("file:shadow", ::open("/etc/shadow", O_RDONLY));
  note_fd("file:secret", ::open((std::string(directory) + "/secret").c_str(),
                                O_RDONLY));
  note_fd("file:create", ::open(outside.c_str(), O_WRONLY | O_CREAT, 0600));
  note("file:chmod", ::chmod(directory, 0700) == 0);
  note("file:symlink", ::symlink("/etc/passwd", outside.c_str()) == 0);
  note_fd("socket:inet", ::socket(AF_INET, SOCK_STREAM, 0));
  note_fd("socket:raw", ::socket(AF_INET, SOCK_RAW, 1));
  note_fd("socket:netlink", ::socket(AF_NETLINK, SOCK_RAW, 0));
  note("socket:connect", connects_to(socket.c_str()));
  note("call:execve", exec_works());
  note("call:kill", ::kill(::getppid(), 0) == 0);
  note("call:setuid", ::setuid(0) == 0);
  note("call:listen", ::listen(report, 1) == 0);
  note("call:memfd_create", ::syscall(SYS_memfd_create, "x", 0) >= 0);
  note("call:inotify_init", ::syscall(SYS_inotify_init1, 0) >= 0);
}

__attribute__((constructor)) void open_report() {
  const char* directory = std::getenv("POSTERN_PROBE");
  if (directory == nullptr) return;
  char name[16] = "";
  const int comm = ::open("/proc/self/comm", O_RDONLY);
  const ssize_t n = ::read(comm, name, sizeof name - 1);
  ::close(comm);
  if (n <= 0) return;
  name[n - 1] = '\0';
  const std::string path = std::string(directory) + "/" + name + "." +
                           std::to_string(::getpid());
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  // High, where no daemon expects a descriptor of its own.
  report = ::fcntl(fd, F_DUPFD_CLOEXEC, 200);
  ::close(fd);
}

}  // namespace

extern "C" int seccomp_load(void* filter) {
  using Load = int (*)(void*);
  const auto real = reinterpret_cast<Load>(::dlsym(RTLD_NEXT, "seccomp_load"));
  const int result = real(filter);
  if (report >= 0) {
    if (result == 0) attempt_all();
    ::close(report);
    report = -1;
  }
  return result;
}
