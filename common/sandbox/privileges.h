// Capabilities, and the promise never to gain new ones. Giving up is in two
// parts: what needs root happens in master's child before it takes on its user
// (before_ids), the rest after (after_ids, and again in lock(), which does not
// rely on it).
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "common/base/result.h"
#include "common/sandbox/profiles.h"

namespace postern::sandbox {

// In master's child, as root, before os::become: no program that is executed
// can ever gain rights (no_new_privs), user 0 has none by being 0 (securebits),
// and nothing is left to gain (bounding set). Does nothing for roles that are
// not confined, nor for one that is to run a program of a user's, which may be
// setgid (sendmail): that one drops what it holds in lock().
Status before_ids(Role role);

// In master's child, after os::become and before exec: drops what capabilities
// user 0 still holds. Does nothing for roles that are not confined.
Status after_ids(Role role);

// Drops every capability that `profile` does not keep from every set; the
// bounding set as far as this process may.
Status drop_capabilities(const Profile& profile);

// What /proc/PID/status says (proc(5)).
struct InForce {
  bool no_new_privileges = false;
  int seccomp = 0;  // 0 off, 2 filter
  std::uint64_t inheritable = 0;
  std::uint64_t permitted = 0;
  std::uint64_t effective = 0;
  std::uint64_t bounding = 0;
  std::uint64_t ambient = 0;
  int threads = 0;

  bool no_capabilities() const {
    return (inheritable | permitted | effective | ambient) == 0;
  }
};
Result<InForce> in_force(pid_t pid);

}  // namespace postern::sandbox
