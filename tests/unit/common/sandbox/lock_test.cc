// Each profile is put in force in a forked child, which then tries what must
// fail (probe.h) and what must work. As root every case runs twice: as root
// and having become an ordinary user.
#include "common/sandbox/lock.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "common/os/fd.h"
#include "common/os/files.h"
#include "common/os/users.h"
#include "common/sandbox/landlock.h"
#include "common/sandbox/probe.h"
#include "common/sandbox/sanitized.h"

using namespace postern;
using namespace postern::sandbox;

namespace {

constexpr uid_t nobody = 65534;

struct TemporaryDirectory {
  TemporaryDirectory() {
    char name[] = "/tmp/sandbox-test-XXXXXX";
    path = ::mkdtemp(name);
    for (const char* each :
         {"", "/incoming", "/active", "/data", "/mail", "/outside"}) {
      ::mkdir((path + each).c_str(), 0777);
      ::chmod((path + each).c_str(), 0777);
    }
    file("/incoming/one", "one");
    file("/outside/secret", "secret");
    file("/forward", "user@example.org\n");
  }
  ~TemporaryDirectory() { std::system(("rm -rf " + path).c_str()); }
  void file(const std::string& name, std::string_view content) const {
    if (!os::replace_file(path + name, content, 0666)) std::abort();
  }
  Places places() const {
    Places where;
    where.queue = {path + "/incoming", path + "/active"};
    where.data = path + "/data";
    where.secrets = {path + "/no-such-key"};
    where.mailbox = {path + "/mail"};
    where.forward = {path + "/forward"};
    return where;
  }
  std::string path;
};

// What a child reports: lines of complaints, and how it ended.
struct Outcome {
  std::string complaints;
  int status = 0;
};

// Collects complaints in a child, where Catch cannot be used.
class Complaints {
 public:
  explicit Complaints(int fd) : fd_(fd) {}
  void add(const std::string& text) {
    const std::string line = text + "\n";
    if (::write(fd_, line.data(), line.size()) < 0) ::_exit(9);
  }
  // Succeeded? errno is told otherwise.
  void must(const char* what, bool worked) {
    if (!worked) add(std::string(what) + ": " + os::error_text(errno));
  }
  void must_not(const char* what, bool worked) {
    if (worked) add(std::string(what) + " worked");
  }

 private:
  int fd_;
};

using Body = std::function<void(Complaints&)>;

void become_nobody(Role role) {
  if (!before_ids(role)) ::_exit(10);
  if (!os::become(nobody, nobody, {})) ::_exit(11);
  if (!after_ids(role)) ::_exit(12);
}

Outcome in_child(const Body& body) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    // The signals of this test program are not those of a daemon, and a core
    // or a hang is nobody's gain.
    for (const int each : {SIGABRT, SIGSEGV, SIGTERM}) ::signal(each, SIG_DFL);
    ::alarm(30);
    Complaints complaints(ends[1]);
    body(complaints);
    ::_exit(0);
  }
  ::close(ends[1]);
  Outcome outcome;
  char buffer[4096];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    outcome.complaints.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  ::waitpid(child, &outcome.status, 0);
  return outcome;
}

Outcome locked(Role role, const std::vector<PathGrant>& paths, bool as_nobody,
               const Body& body) {
  return in_child([&](Complaints& complaints) {
    const bool root = ::geteuid() == 0;
    if (as_nobody) become_nobody(role);
    Situation situation;
    situation.role = role;
    situation.paths = paths;
    situation.started_as_root = root;
    const Result<Applied> applied = lock(situation);
    if (!applied) {
      complaints.add("lock: " + applied.trouble().text);
      return;
    }
    for (const std::string& note : applied->notes)
      if (landlock_version() > 0) complaints.add("note: " + note);
    body(complaints);
  });
}

// As whoever runs the test, and, where that is root, as an ordinary user.
void each_way(Role role, const Body& body) {
  for (const bool as_nobody : {false, true}) {
    if (as_nobody && ::geteuid() != 0) continue;
    const TemporaryDirectory directory;
    CAPTURE(name_of(role), as_nobody);
    if (::chdir(directory.path.c_str()) != 0) std::abort();
    const Outcome outcome =
        locked(role, resolve(role, directory.places()), as_nobody, body);
    if (::chdir("/") != 0) std::abort();
    CHECK(outcome.complaints == "");
    CHECK(outcome.status == 0);
  }
}

std::vector<Role> confined_roles() {
  std::vector<Role> some;
  for (const Profile& row : profiles())
    if (row.confined()) some.push_back(row.role);
  return some;
}

bool write_file(const char* path, const char* text) {
  const Fd fd(::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  return fd && ::write(fd.get(), text, std::strlen(text)) > 0 &&
         ::fsync(fd.get()) == 0;
}

bool opens(const char* path, int flags) {
  return Fd(::open(path, flags | O_CLOEXEC)).valid();
}

bool sqlite_works(const char* path) {
  sqlite3* db = nullptr;
  const bool worked =
      sqlite3_open(path, &db) == SQLITE_OK &&
      sqlite3_exec(db,
                   "PRAGMA journal_mode=WAL; PRAGMA temp_store=memory;"
                   "CREATE TABLE t(k TEXT PRIMARY KEY, v TEXT);"
                   "INSERT INTO t VALUES('a','b'); SELECT * FROM t;"
                   "PRAGMA wal_checkpoint(TRUNCATE); VACUUM;",
                   nullptr, nullptr, nullptr) == SQLITE_OK;
  sqlite3_close(db);
  return worked;
}

}  // namespace

TEST_CASE("What a profile does not grant fails") {
  if (landlock_version() == 0) {
    WARN("no Landlock here: file views are not tested");
    return;
  }
  for (const Role role : confined_roles())
    each_way(role, [role](Complaints& complaints) {
      for (const ProbeResult& each : try_forbidden(role))
        if (!each.refused)
          complaints.add(each.what + " answered " +
                         os::error_text(each.error_number));
    });
}

TEST_CASE("The probe sees what an unconfined process can do") {
  const Outcome outcome = in_child([](Complaints& complaints) {
    for (const ProbeResult& each : try_forbidden(Role::smtpd))
      if (!each.refused) complaints.add(each.what);
    // It may have made these.
    const std::string name = "/.postern-probe-" + std::to_string(::getpid());
    for (const char* place : {"/tmp", "/var/tmp", "", "/etc"}) {
      ::unlink((place + name).c_str());
      ::rmdir((place + name).c_str());
    }
  });
  for (const char* what :
       {"open /etc/passwd", "create /tmp/", "socket inet stream", "connect",
        "fork", "thread", "execve", "memfd", "fsync", "map writable code"}) {
    if (sanitized && std::string(what) == "map writable code") continue;
    CAPTURE(what, outcome.complaints);
    CHECK(outcome.complaints.find(what) != std::string::npos);
  }
}

TEST_CASE("Every confined process can wait, talk, end, and keep the time") {
  for (const Role role : confined_roles())
    each_way(role, [](Complaints& complaints) {
      event_base* base = event_base_new();
      complaints.must("event_base_new", base != nullptr);
      int fired = 0;
      event* timer = evtimer_new(
          base, [](int, short, void* seen) { ++*static_cast<int*>(seen); },
          &fired);
      const timeval soon{0, 1000};
      evtimer_add(timer, &soon);
      event_base_dispatch(base);
      complaints.must("a timer", fired == 1);
      event_free(timer);
      event_base_free(base);
      const time_t now = ::time(nullptr);
      tm parts;
      complaints.must("localtime_r", ::localtime_r(&now, &parts) != nullptr);
      char host[64];
      complaints.must("gethostname", ::gethostname(host, sizeof host) == 0);
      rlimit limit;
      complaints.must("getrlimit", ::getrlimit(RLIMIT_NOFILE, &limit) == 0);
      complaints.must("memory", std::string(8u << 20, 'x').size() > 0);
      try {
        throw 1;
      } catch (int) {
      }
    });
}

TEST_CASE("Links held before the lock carry messages and descriptors") {
  for (const Role role : confined_roles()) {
    CAPTURE(name_of(role));
    int link[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) == 0);
    const TemporaryDirectory directory;
    const Outcome outcome = locked(
        role, resolve(role, directory.places()), false,
        [&](Complaints& complaints) {
          char byte = 'x';
          iovec piece{&byte, 1};
          alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
          msghdr message{};
          message.msg_iov = &piece;
          message.msg_iovlen = 1;
          message.msg_control = control;
          message.msg_controllen = sizeof control;
          cmsghdr* header = CMSG_FIRSTHDR(&message);
          header->cmsg_level = SOL_SOCKET;
          header->cmsg_type = SCM_RIGHTS;
          header->cmsg_len = CMSG_LEN(sizeof(int));
          std::memcpy(CMSG_DATA(header), &link[1], sizeof(int));
          complaints.must("sendmsg", ::sendmsg(link[1], &message, 0) == 1);
          complaints.must("send", ::send(link[1], "y", 1, 0) == 1);
        });
    CHECK(outcome.complaints == "");
    char byte = 0;
    iovec piece{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    CHECK(::recvmsg(link[0], &message, MSG_DONTWAIT) == 1);
    REQUIRE(CMSG_FIRSTHDR(&message) != nullptr);
    int handed;
    std::memcpy(&handed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof handed);
    ::close(handed);
    ::close(link[0]);
    ::close(link[1]);
  }
}

TEST_CASE("abort ends a confined process with SIGABRT") {
  for (const Role role : confined_roles()) {
    CAPTURE(name_of(role));
    const Outcome outcome =
        locked(role, {}, false, [](Complaints&) { std::abort(); });
    CHECK(outcome.complaints == "");
    CHECK(WIFSIGNALED(outcome.status));
    CHECK(WTERMSIG(outcome.status) == SIGABRT);
  }
}

TEST_CASE("A deadly call kills the process") {
  const std::vector<std::pair<const char*, std::function<void()>>> calls = {
      {"ptrace", [] { ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
      {"process_vm_readv",
       [] { ::syscall(SYS_process_vm_readv, ::getppid(), 0, 0, 0, 0, 0); }},
      {"mount", [] { ::syscall(SYS_mount, 0, 0, 0, 0, 0); }},
      {"bpf", [] { ::syscall(SYS_bpf, 0, 0, 0); }},
      {"keyctl", [] { ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }},
      {"unshare", [] { ::syscall(SYS_unshare, 0); }},
      {"init_module", [] { ::syscall(SYS_init_module, 0, 0, 0); }},
#ifdef __x86_64__
      // getpid by its number for 32 bit programs
      {"int 0x80", [] { asm volatile("int $0x80" ::"a"(20)
                                     : "memory"); }},
#endif
  };
  for (const auto& [name, call] : calls) {
    CAPTURE(name);
    const Outcome outcome =
        locked(Role::lookup, {}, false, [&](Complaints&) { call(); });
    CHECK(outcome.complaints == "");
    CHECK(WIFSIGNALED(outcome.status));
    CHECK(WTERMSIG(outcome.status) == SIGSYS);
  }
}

TEST_CASE("cleanup and qmgr write, sync, rename and remove queue files") {
  for (const Role role : {Role::cleanup, Role::qmgr})
    each_way(role, [](Complaints& c) {
      c.must("read", opens("incoming/one", O_RDONLY));
      c.must("write", write_file("incoming/two", "two"));
      c.must("directory", ::mkdir("incoming/A", 0700) == 0);
      c.must("rename", ::rename("incoming/two", "active/two") == 0);
      c.must("again", ::rename("active/two", "incoming/A/two") == 0);
      c.must("truncate", opens("incoming/A/two", O_WRONLY | O_TRUNC));
      c.must("times", ::utimensat(AT_FDCWD, "incoming/A/two", nullptr, 0) == 0);
      c.must("unlink", ::unlink("incoming/A/two") == 0);
      c.must("rmdir", ::rmdir("incoming/A") == 0);
      const Fd directory(::open("incoming", O_RDONLY | O_DIRECTORY));
      c.must("sync directory", ::fsync(directory.get()) == 0);
      c.must("list", os::list_directory("incoming").ok());
      c.must("free space", os::free_bytes("incoming").ok());
      c.must("write", write_file("incoming/three", "three"));
      const Fd fd(::open("incoming/three", O_RDWR));
      c.must("fchmod", ::fchmod(fd.get(), 0700) == 0);
      c.must("fdatasync", ::fdatasync(fd.get()) == 0);
      c.must("ftruncate", ::ftruncate(fd.get(), 1) == 0);
      c.must_not("read outside", opens("outside/secret", O_RDONLY));
      c.must_not("write outside", write_file("outside/new", "x"));
      c.must_not("write beside", write_file("new", "x"));
      c.must_not("rename out", ::rename("incoming/one", "outside/one") == 0);
      c.must_not("unlink outside", ::unlink("outside/secret") == 0);
      c.must_not("link", ::link("incoming/one", "active/one") == 0);
    });
}

TEST_CASE("Threads start where they are granted") {
  for (const Role role : {Role::cleanup, Role::authd, Role::lookup})
    each_way(role, [](Complaints& c) {
      bool ran = false;
      std::thread([&] {
        ran = !opens("outside/none", O_RDONLY) && !opens("/etc/fstab", O_RDWR);
      }).join();
      c.must("a thread", ran);
    });
}

TEST_CASE("smtp connects and binds to an address, but does not listen") {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const auto generic = [](sockaddr_in& a) {
    return reinterpret_cast<sockaddr*>(&a);
  };
  REQUIRE(::bind(listener.get(), generic(address), length) == 0);
  REQUIRE(::listen(listener.get(), 8) == 0);
  REQUIRE(::getsockname(listener.get(), generic(address), &length) == 0);
  for (const Role role : {Role::smtp, Role::lookup})
    each_way(role, [&](Complaints& c) {
      const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      sockaddr_in source = address;
      source.sin_port = 0;
      c.must("bind to an address",
             ::bind(fd.get(), generic(source), sizeof source) == 0);
      sockaddr_in target = address;
      c.must("connect",
             ::connect(fd.get(), generic(target), sizeof target) == 0 ||
                 errno == EINPROGRESS);
      const Fd second(::socket(AF_INET, SOCK_STREAM, 0));
      source.sin_port = htons(25252);
      if (landlock_version() >= 4)
        c.must_not("bind to a port",
                   ::bind(second.get(), generic(source), sizeof source) == 0);
      const Fd local(::socket(AF_UNIX, SOCK_STREAM, 0));
      c.must("a local socket", local.valid());
    });
}

TEST_CASE("smtpd accepts and sets what sessions need") {
  for (const Role role : {Role::smtpd, Role::authd}) {
    const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener.get(), generic, length) == 0);
    REQUIRE(::listen(listener.get(), 8) == 0);
    REQUIRE(::getsockname(listener.get(), generic, &length) == 0);
    std::vector<Fd> clients;
    for (int i = 0; i < 2; ++i) {
      clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      REQUIRE(::connect(clients.back().get(), generic, length) == 0);
    }
    each_way(role, [&](Complaints& c) {
      const Fd session(::accept4(listener.get(), nullptr, nullptr,
                                 SOCK_CLOEXEC | SOCK_NONBLOCK));
      c.must("accept", session.valid());
      const int on = 1;
      c.must("keepalive", ::setsockopt(session.get(), SOL_SOCKET, SO_KEEPALIVE,
                                       &on, sizeof on) == 0);
      c.must("nodelay",
             ::setsockopt(session.get(), IPPROTO_TCP, 1, &on, sizeof on) == 0);
      c.must("greeting", ::send(session.get(), "220\r\n", 5, 0) == 5);
      c.must("shutdown", ::shutdown(session.get(), SHUT_WR) == 0);
    });
  }
}

TEST_CASE("A worker writes the mailbox and nothing else") {
  each_way(Role::worker, [](Complaints& c) {
    c.must("deliver", write_file("mail/tmp.1", "mail"));
    c.must("lock file", ::link("mail/tmp.1", "mail/box.lock") == 0);
    c.must("rename", ::rename("mail/tmp.1", "mail/new.1") == 0);
    const Fd box(::open("mail/box", O_RDWR | O_CREAT | O_APPEND, 0600));
    struct flock whole {};
    whole.l_type = F_WRLCK;
    c.must("fcntl lock", ::fcntl(box.get(), F_SETLK, &whole) == 0);
    c.must("unlock file", ::unlink("mail/box.lock") == 0);
    c.must("maildir", ::mkdir("mail/cur", 0700) == 0);
    c.must("forward", opens("forward", O_RDONLY));
    c.must_not("write forward", opens("forward", O_WRONLY));
    c.must_not("read outside", opens("outside/secret", O_RDONLY));
    c.must_not("link out", ::link("mail/box", "outside/box") == 0);
    c.must_not("chown", ::fchown(box.get(), 1, 1) == 0);
  });
}

TEST_CASE("A worker of root's is no more than an owner of files") {
  if (::geteuid() != 0) return;
  const TemporaryDirectory directory;
  ::chown((directory.path + "/mail").c_str(), nobody, nobody);
  ::chmod((directory.path + "/mail").c_str(), 0700);
  int ready[2];
  int go[2];
  REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(go, O_CLOEXEC) == 0);
  InForce facts;
  std::thread reader([&] {
    pid_t pid = 0;
    if (::read(ready[0], &pid, sizeof pid) == sizeof pid)
      if (const Result<InForce> now = in_force(pid); now) facts = *now;
    [[maybe_unused]] const ssize_t n = ::write(go[1], "x", 1);
  });
  const std::string box = directory.path + "/mail/box";
  const Outcome outcome = locked(
      Role::worker, resolve(Role::worker, directory.places()), false,
      [&](Complaints& c) {
        const pid_t self = ::getpid();
        c.must("tell", ::write(ready[1], &self, sizeof self) == sizeof self);
        char byte;
        c.must("wait", ::read(go[0], &byte, 1) == 1);
        c.must_not("another's directory", write_file(box.c_str(), "x"));
      });
  reader.join();
  for (const int fd : {ready[0], ready[1], go[0], go[1]}) ::close(fd);
  CHECK(outcome.complaints == "");
  CHECK(facts.no_new_privileges);
  CHECK(facts.no_capabilities());
  CHECK(facts.bounding == 0);
  CHECK(facts.seccomp == 2);
}

TEST_CASE("A runner looks after its program and does nothing else") {
  each_way(Role::runner, [](Complaints& c) {
    c.must("wait", ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD);
    c.must("signal", ::kill(::getpid(), 0) == 0);
    c.must_not("read", opens("forward", O_RDONLY));
    c.must_not("write", write_file("mail/x", "x"));
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    c.must_not("start another", child > 0);
  });
}

TEST_CASE("Databases work where they are granted") {
  for (const Role role : {Role::authd, Role::lookup})
    each_way(role, [](Complaints& c) {
      c.must("sqlite", sqlite_works("data/store.db"));
      c.must("seed", opens("/dev/urandom", O_RDONLY));
      c.must_not("elsewhere", write_file("outside/x", "x"));
    });
}

TEST_CASE("lookup reads tables anywhere and knows the users") {
  each_way(Role::lookup, [](Complaints& c) {
    c.must("a table", opens("outside/secret", O_RDONLY));
    c.must("users", os::find_user("root").ok());
    const Result<std::optional<os::User>> root = os::find_user("root");
    c.must("root is known", root.ok() && root->has_value());
    c.must_not("write a table", opens("outside/secret", O_WRONLY));
  });
}

TEST_CASE("A refused user database is trouble, never an unknown user") {
  for (const Role role : {Role::smtpd, Role::local, Role::cleanup})
    each_way(role, [](Complaints& c) {
      c.must_not("an answer", os::find_user("root").ok());
    });
}

TEST_CASE("master keeps the capabilities of its row, children lose them") {
  if (::geteuid() != 0) return;
  const Outcome outcome = in_child([](Complaints& c) {
    Situation situation;
    situation.role = Role::master;
    situation.started_as_root = true;
    if (!lock(situation)) return c.add("lock failed");
    std::uint64_t kept = 0;
    for (const int each : profile(Role::master).capabilities)
      kept |= std::uint64_t{1} << each;
    const Result<InForce> now = in_force(::getpid());
    c.must("sets", now.ok() && now->permitted == kept &&
                       now->effective == kept && now->bounding == kept);
    c.must_not("no_new_privs (commands may be setgid)", now->no_new_privileges);
    become_nobody(Role::smtp);
    const Result<InForce> then = in_force(::getpid());
    c.must("child", then.ok() && then->no_capabilities() &&
                        then->bounding == 0 && then->no_new_privileges);
  });
  CHECK(outcome.complaints == "");
  CHECK(outcome.status == 0);
}

TEST_CASE("A path that the profile needs and that is missing is trouble") {
  const Outcome outcome = in_child([](Complaints& c) {
    Situation situation;
    situation.role = Role::qmgr;
    situation.paths = {{"/nonexistent/queue", true, true, true, true}};
    const Result<Applied> applied = lock(situation);
    if (applied)
      c.add("locked");
    else
      c.add(applied.trouble().text);
  });
  if (landlock_version() >= 2)
    CHECK(outcome.complaints ==
          "open /nonexistent/queue: No such file or directory\n");
}

TEST_CASE("A view wider than the profile is a bug") {
  const std::vector<std::pair<Role, PathGrant>> cases = {
      {Role::smtpd, {"/etc", true, false, false, true}},
  };
  for (const auto& [role, grant] : cases) {
    CAPTURE(name_of(role));
    const Outcome outcome =
        locked(role, {grant}, false, [](Complaints& c) { c.add("locked"); });
    CHECK(outcome.complaints == "");
    CHECK(WIFSIGNALED(outcome.status));
    CHECK(WTERMSIG(outcome.status) == SIGABRT);
  }
}
