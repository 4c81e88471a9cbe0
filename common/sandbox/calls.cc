#include "common/sandbox/calls.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/base/panic.h"

namespace postern::sandbox {
namespace {

Condition is(unsigned argument, std::uint64_t value) {
  return {argument, all_bits, value};
}
Condition without(unsigned argument, std::uint64_t bits) {
  return {argument, bits, 0};
}
Condition with(unsigned argument, std::uint64_t bits) {
  return {argument, bits, bits};
}

std::vector<Call> plain(std::initializer_list<const char*> names) {
  std::vector<Call> calls;
  for (const char* name : names) calls.push_back({name, {}});
  return calls;
}

std::vector<Call> operator+(std::vector<Call> a, const std::vector<Call>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// One alternative per permitted value of an argument.
std::vector<Call> one_of(const char* name, unsigned argument,
                         std::initializer_list<std::uint64_t> values) {
  std::vector<Call> calls;
  for (const std::uint64_t value : values)
    calls.push_back({name, {is(argument, value)}});
  return calls;
}

constexpr std::uint64_t writing =
    O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);

// What glibc's pthread_create asks of clone(2); all must be there, so that the
// call can make a thread and nothing else.
constexpr std::uint64_t thread_flags = CLONE_VM | CLONE_FS | CLONE_FILES |
                                       CLONE_SIGHAND | CLONE_THREAD |
                                       CLONE_SYSVSEM;

constexpr std::uint64_t new_namespace =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

std::vector<Call> base_calls() {
  return plain({
             // memory (code only by name_service, see mmap below)
             "brk",
             "munmap",
             "mremap",
             "madvise",
             "mlock",
             "mlock2",
             "munlock",
             "membarrier",
             // descriptors already held; nothing here opens one
             "read",
             "write",
             "readv",
             "writev",
             "pread64",
             "pwrite64",
             "preadv",
             "pwritev",
             "preadv2",
             "pwritev2",
             "lseek",
             "close",
             "close_range",
             "dup",
             "dup2",
             "dup3",
             "fstat",
             "sendfile",
             "splice",
             "copy_file_range",
             "fadvise64",
             "readahead",
             // signals of this process
             "rt_sigaction",
             "rt_sigprocmask",
             "rt_sigreturn",
             "rt_sigpending",
             "rt_sigsuspend",
             "rt_sigtimedwait",
             "sigaltstack",
             // time
             "clock_gettime",
             "clock_getres",
             "clock_nanosleep",
             "nanosleep",
             "gettimeofday",
             "time",
             "restart_syscall",
             "getitimer",
             // synchronisation and the C library's book-keeping
             "futex",
             "futex_waitv",
             "set_robust_list",
             "get_robust_list",
             "rseq",
             "set_tid_address",
             "sched_yield",
             "sched_getaffinity",
             "getcpu",
             // who and where am I
             "getpid",
             "gettid",
             "getppid",
             "getuid",
             "geteuid",
             "getgid",
             "getegid",
             "getresuid",
             "getresgid",
             "getgroups",
             "getpgrp",
             "uname",
             "sysinfo",
             "getrusage",
             "times",
             "getrlimit",
             "getrandom",
             // the end
             "exit",
             "exit_group",
         }) +
         std::vector<Call>{
             {"mmap", {without(2, PROT_EXEC)}},
             {"mprotect", {without(2, PROT_EXEC)}},
             // fstat(fd) in glibc; names are looked at by files_read
             {"newfstatat", {with(3, AT_EMPTY_PATH)}},
             // abort(3), raise(3), pthread_kill(3): this process only
             {"tgkill", {is(0, own_process)}},
             // limits may be read, not set
             {"prlimit64", {is(0, 0), is(2, 0)}},
         } +
         one_of("prctl", 0, {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE}) +
         one_of(
             "fcntl", 1,
             {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL}) +
         one_of("ioctl", 1, {FIONREAD, FIONBIO});
}

std::vector<Call> connect_calls() {
  std::vector<Call> calls =
      plain({"connect", "getsockname", "getpeername", "bind"});
  for (const std::uint64_t family : {AF_INET, AF_INET6, AF_UNIX})
    calls.push_back(
        {"socket", {is(0, family), {1, 0xf, std::uint64_t{SOCK_STREAM}}}});
  return calls + one_of("setsockopt", 1,
                        {SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6});
}

std::vector<Call> local_calls() {
  return plain({"connect", "getsockname", "getpeername"}) +
         std::vector<Call>{{"socket",
                            {is(0, AF_UNIX),
                             {1, 0xf, std::uint64_t{SOCK_STREAM}}}}};
}

std::vector<Call> dns_calls() {
  std::vector<Call> calls = plain({"connect", "getsockname", "getpeername",
                                   "bind", "sendto", "sendmmsg", "recvmmsg"});
  for (const std::uint64_t family : {AF_INET, AF_INET6})
    calls.push_back(
        {"socket", {is(0, family), {1, 0xf, std::uint64_t{SOCK_DGRAM}}}});
  return calls + one_of("setsockopt", 1,
                        {SOL_SOCKET, IPPROTO_UDP, IPPROTO_IP, IPPROTO_IPV6});
}

std::vector<Word> make_vocabulary() {
  return {
      {Grant::base, "base",
       "memory, time, descriptors already held, own signals, own end",
       base_calls()},
      {Grant::event_loop, "event_loop", "waits for descriptors and timers",
       plain({"epoll_create1", "epoll_create", "epoll_ctl", "epoll_wait",
              "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select",
              "pselect6", "eventfd2", "timerfd_create", "timerfd_settime",
              "timerfd_gettime", "signalfd4", "pipe2"})},
      {Grant::links, "links",
       "messages and descriptors over sockets already held",
       plain({"sendmsg", "recvmsg", "recvfrom", "getsockopt", "shutdown"}) +
           std::vector<Call>{{"sendto", {is(4, 0)}},
                             {"setsockopt", {is(1, SOL_SOCKET)}}}},
      {Grant::log, "log", "datagrams to the log's socket, by a socket held",
       plain({"sendto"})},
      {Grant::accept, "accept", "connections from listeners already held",
       plain({"accept4", "accept", "getsockname", "getpeername"}) +
           one_of("setsockopt", 1, {SOL_SOCKET, IPPROTO_TCP})},
      {Grant::connect_stream, "connect_stream",
       "stream connections to anywhere, Internet and local", connect_calls()},
      {Grant::connect_local, "connect_local",
       "stream connections to named sockets of this host", local_calls()},
      {Grant::stream_pairs,
       "stream_pairs",
       "pairs of connected local sockets, to hand one end on",
       {{"socketpair",
         {is(0, AF_UNIX), {1, 0xf, std::uint64_t{SOCK_STREAM}}}}}},
      {Grant::ask_dns, "ask_dns", "datagram sockets to name servers",
       dns_calls()},
      {Grant::files_read, "files_read",
       "opens for reading within the file view",
       std::vector<Call>{{"open", {without(1, writing)}},
                         {"openat", {without(2, writing)}}} +
           plain({"newfstatat", "stat", "lstat", "statx", "access", "faccessat",
                  "faccessat2", "readlink", "readlinkat", "getdents64",
                  "getcwd", "statfs", "fstatfs"})},
      {Grant::files_write, "files_write",
       "creates, writes, syncs, renames, removes within the file view",
       plain({"open", "openat", "creat", "mkdir", "mkdirat", "rmdir", "unlink",
              "unlinkat", "rename", "renameat", "renameat2", "fsync",
              "fdatasync", "sync_file_range", "ftruncate", "fallocate",
              "fchmod", "utimensat", "umask"})},
      {Grant::hard_links, "hard_links", "hard links within the file view",
       plain({"link", "linkat"})},
      {Grant::file_locks, "file_locks", "locks on files it has open",
       one_of("fcntl", 1,
              {F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK,
               F_OFD_SETLKW}) +
           plain({"flock"})},
      {Grant::name_service, "name_service",
       "maps code at run time, as modules of the name service switch need",
       plain({"mmap", "mprotect"})},
      {Grant::threads,
       "threads",
       "threads of this process, and their own priority",
       {{"clone", {{0, thread_flags | new_namespace, thread_flags}}},
        {"setpriority", {is(0, PRIO_PROCESS), is(1, 0)}}}},
      {Grant::unconfined,
       "unconfined",
       "no filter: what the operating system gives its user",
       {}},
  };
}

}  // namespace

const std::vector<Word>& vocabulary() {
  static const std::vector<Word> words = make_vocabulary();
  return words;
}

const Word& word(Grant grant) {
  for (const Word& each : vocabulary())
    if (each.grant == grant) return each;
  panic("a grant without a word in the vocabulary");
}

const std::vector<const char*>& deadly_calls() {
  static const std::vector<const char*> calls = {
      "ptrace",
      "process_vm_readv",
      "process_vm_writev",
      "kcmp",
      "pidfd_getfd",
      "mount",
      "umount2",
      "pivot_root",
      "move_mount",
      "open_tree",
      "fsopen",
      "fsconfig",
      "fsmount",
      "fspick",
      "mount_setattr",
      "bpf",
      "perf_event_open",
      "kexec_load",
      "kexec_file_load",
      "init_module",
      "finit_module",
      "delete_module",
      "userfaultfd",
      "keyctl",
      "add_key",
      "request_key",
      "setns",
      "unshare",
      "reboot",
      "swapon",
      "swapoff",
      "iopl",
      "ioperm",
      "modify_ldt",
      "open_by_handle_at",
      "acct",
  };
  return calls;
}

const std::vector<Refusal>& special_refusals() {
  // clone3: its flags lie in memory, where a filter cannot look; glibc falls
  // back to clone. The others: getpwnam_r(3) lets EPERM mean "no such user",
  // and mail must not bounce for a refused open or connect.
  static const std::vector<Refusal> refusals = {
      {"clone3", ENOSYS},  {"open", EACCES},   {"openat", EACCES},
      {"openat2", ENOSYS}, {"socket", EACCES}, {"connect", EACCES},
  };
  return refusals;
}

}  // namespace postern::sandbox
