// For tests: a confined process tries what its profile forbids. Built into
// lock() by the option `probe` alone: a process of such a build that is
// started with POSTERN_PROBE=PREFIX in its environment writes, when it has
// locked itself, its findings to PREFIX.ROLE.PID, a line each:
// "refused|ALLOWED <what> <error>".
#pragma once

#include <string>
#include <vector>

#include "common/base/role.h"
#include "common/os/fd.h"

namespace postern::sandbox {

struct ProbeResult {
  std::string what;
  bool refused = false;
  int error_number = 0;  // 0: the call succeeded
};

// Tries everything that `role` is not granted, except for what would kill the
// process (deadly_calls). Harmless where it is refused; where it is not, it
// leaves at most an empty file and a child that ends at once.
std::vector<ProbeResult> try_forbidden(Role role);

// Opened before locking; none when nobody asked.
Fd probe_report(Role role);
void write_probe(int fd, const std::vector<ProbeResult>& results);

}  // namespace postern::sandbox
