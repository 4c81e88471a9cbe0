// The file view (Landlock, by system call: Debian 12 has no library for it).
// What the running kernel knows is asked of it; newer rights than it knows are
// left out. Version numbers are those of landlock(7): 1 files, 2 renaming
// between directories, 3 truncation, 4 TCP ports, 5 device ioctls, 6 signals
// and abstract sockets.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "common/sandbox/profiles.h"

namespace postern::sandbox {

// 0: this kernel has no Landlock, or it is turned off.
int landlock_version();

// Renaming between directories cannot be granted by version 1: a view with
// create rights needs 2.
int landlock_version_needed(const std::vector<PathGrant>& paths);

// From now on this process opens nothing but `paths`, executes nothing, and
// neither signals nor reaches (by abstract socket) what is outside of it; and
// unless `connects`, it uses no TCP port. With `signals` it may signal others of
// its user: programs that it has started before, which are outside of it.
// Requires no_new_privs and landlock_version() > 0.
Status view_files(const std::vector<PathGrant>& paths, bool connects,
                  bool signals);

}  // namespace postern::sandbox
