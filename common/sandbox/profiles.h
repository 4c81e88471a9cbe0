// What each process may do, and why: one row per role. Everything else about
// isolation follows from this table: the filter of system calls, the view of
// files, the users in the installer, docs/processes.md, and the tests that
// try what must fail.
// Next: lock.h (how a process puts its row in force).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/role.h"
#include "common/sandbox/calls.h"

namespace postern::sandbox {

// Which user a process runs as (common/config says which name that is).
enum class UserClass {
  queue,      // mail_owner: owns the queue
  network,    // speaks with strangers, owns nothing
  lookup,     // asks name servers and databases, owns caches
  delivery,   // decides on deliveries, owns nothing
  auth,       // owns passwords and keys
  recipient,  // whoever the mail is for
  root,
  caller,  // whoever starts it
};
std::string_view to_string(UserClass user);

// Sets of files, by meaning; Places says where they are.
enum class View {
  queue,       // the queue directories, maildrop included
  data,        // data_directory: caches, stores
  secrets,     // private keys and password files that main.conf names
  mailbox,     // the directories that hold the recipient's mailbox
  forward,     // the recipient's .forward files
  sasl,        // files of the Cyrus library
  random,      // /dev/urandom, where SQLite takes its seed
  everything,  // whatever the user may see
};
std::string_view describe(View view);

// `write`: change what is there; `create`: make, rename and remove names.
struct FileRight {
  View view;
  bool write = false;
  bool create = false;
};

struct Profile {
  Role role;
  UserClass user;
  std::vector<int> capabilities;  // linux/capability.h; kept for good
  std::vector<Grant> grants;
  std::vector<FileRight> files;
  const char* sockets;  // for people
  const char* because;

  bool has(Grant grant) const;
  bool confined() const { return !has(Grant::unconfined); }
};

const std::vector<Profile>& profiles();
const Profile& profile(Role role);

// Where the views are. `secrets`, `sasl` and `forward` files may be missing; the
// others must exist: what a worker is to create (a first Maildir) needs the
// nearest directory that does.
struct Places {
  std::vector<std::string> queue;  // incoming, active, … as full paths
  std::string data;
  std::vector<std::string> secrets;
  std::vector<std::string> sasl;
  std::vector<std::string> mailbox;  // directories, or the file itself
  std::vector<std::string> forward;
};

// A file or a directory (with all below it) that the process will see.
struct PathGrant {
  std::string path;
  bool read = true;
  bool write = false;
  bool create = false;
  bool required = true;  // a missing one is an error
};

// The role's view with paths filled in.
std::vector<PathGrant> resolve(Role role, const Places& places);

}  // namespace postern::sandbox
