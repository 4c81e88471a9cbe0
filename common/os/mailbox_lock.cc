#include "common/os/mailbox_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <thread>

#include "common/os/fd.h"
#include "common/os/files.h"

namespace postern::os {
namespace {

Trouble locked_out(const std::string& what, int error) {
  return try_later("2.0", what + ": " + error_text(error));
}

// Runs `attempt` (which gives errno, 0 for success) until it succeeds, fails
// for good, or the attempts are used up.
int persist(const LockRules& rules, const std::function<int()>& attempt) {
  int error = 0;
  for (std::int64_t i = 0; i < std::max<std::int64_t>(rules.attempts, 1); ++i) {
    if (i > 0) std::this_thread::sleep_for(rules.delay);
    error = attempt();
    if (error != EEXIST && error != EAGAIN) break;
  }
  return error;
}

int try_fcntl(int fd) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd, F_SETLK, &whole) == 0) return 0;
  return errno == EACCES ? EAGAIN : errno;
}

int try_flock(int fd) {
  return ::flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

}  // namespace

bool LockRules::has(const std::string& method) const {
  return std::find(methods.begin(), methods.end(), method) != methods.end();
}

DotLock::~DotLock() {
  if (taken_) ::unlink(path_.c_str());
}

int DotLock::try_once(const LockRules& rules) {
  const Fd file(::open(path_.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                       0600));
  if (file) return 0;
  const int error = errno;
  if (error != EEXIST) return error;
  struct stat facts;
  if (::lstat(path_.c_str(), &facts) != 0) return EEXIST;
  const std::time_t age = ::time(nullptr) - facts.st_ctime;
  if (std::chrono::seconds(age) >= rules.stale) ::unlink(path_.c_str());
  return EEXIST;
}

Status DotLock::take(const LockRules& rules) {
  const int error = persist(rules, [&] { return try_once(rules); });
  if (error != 0)
    return locked_out("unable to create lock file " + path_, error);
  taken_ = true;
  return {};
}

Status lock_file(int fd, const LockRules& rules) {
  for (const std::string& method : rules.methods) {
    if (method == "dotlock") continue;
    if (method != "fcntl" && method != "flock")
      return try_later("3.5", "unknown mailbox lock method " + method);
    const int error = persist(rules, [&] {
      return method == "fcntl" ? try_fcntl(fd) : try_flock(fd);
    });
    if (error != 0)
      return locked_out("unable to lock for exclusive access", error);
  }
  return {};
}

}  // namespace postern::os
