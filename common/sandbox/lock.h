// How a process puts its row of profiles.h in force: once, after it has read
// its configuration and opened what it keeps, before it reads the first
// foreign byte, and before it starts a thread. There is no way back.
//
// Layers, each of which holds if another is missing: no capability, and none
// to be had (no_new_privs, empty bounding set); no look into this process by
// others of its user (not dumpable); the file view (Landlock, landlock.h); the
// filter of system calls (seccomp, filter.h).
//
// What libraries would open later must be opened before: tables, certificates,
// openssl.cnf. SQLite needs `PRAGMA temp_store=memory`, LMDB needs MDB_NOLOCK
// where its view is read-only.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/sandbox/privileges.h"
#include "common/sandbox/profiles.h"

namespace postern::sandbox {

struct Situation {
  Role role = Role::tool;
  // resolve(role, places); empty for roles that see no file.
  std::vector<PathGrant> paths;
  // Was the suite started by root? Then a bounding set that is not empty is
  // worth a note: master should have emptied it (before_ids).
  bool started_as_root = false;
  // Go on, with a note, where the kernel or a container refuses the filter or
  // /proc. Without it that is Trouble. A kernel without Landlock is always a
  // note: file permissions still hold.
  bool allow_degraded = false;
};

// What is in force after lock().
struct Applied {
  bool no_capabilities = false;
  bool no_bounding_set = false;
  int file_view = 0;  // version of Landlock, 0: none
  bool call_filter = false;
  // One line each, for the caller to log once as a warning.
  std::vector<std::string> notes;
};

// Trouble: the process is not confined as its profile says and must not go on.
// Roles that are not confined: master keeps the capabilities of its row and
// nothing else; for a tool nothing happens.
Result<Applied> lock(const Situation& situation);

}  // namespace postern::sandbox
