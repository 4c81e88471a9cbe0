// The system call filter (seccomp) of a set of grants. A call that no grant
// lists answers EPERM (or what special_refusals says); a deadly one kills.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "common/sandbox/calls.h"

namespace postern::sandbox {

// Puts the filter in force for this process, for good. The process must have
// one thread and no_new_privs set. Trouble: the kernel has no filters, or
// something outside (a container) forbids to set one.
Status filter_calls(const std::vector<Grant>& grants);

}  // namespace postern::sandbox
