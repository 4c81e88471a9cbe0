// Who the processes run as when root has started the suite.
#pragma once

#include <sys/types.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/role.h"
#include "common/config/config.h"
#include "common/config/master_table.h"
#include "common/ipc/messages/control.h"
#include "common/sandbox/profiles.h"

namespace postern::master {

struct Identity {
  std::string user;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

struct Identities {
  std::map<sandbox::UserClass, Identity> of_class;
  gid_t drop_group = 0;               // setgid_group
  std::vector<std::string> warnings;  // classes that fall back to mail_owner

  const Identity& of(Role role) const;
};

// Trouble: mail_owner or setgid_group do not exist, or are root's.
Result<Identities> resolve_identities(const config::Config& config);

// authd also gets the groups that the user database gives its user, and, where
// a row lets clients log in by the Cyrus library, those that sasldb2 and the
// socket of saslauthd are for: `sasl` (Debian), and mail_owner's, to whom
// sasldb2 is given elsewhere. Never root's.
void give_auth_groups(Identities& identities, const config::Config& config,
                      const std::vector<config::ServiceRow>& rows);

// Who a worker becomes. Trouble when the request does not hold together: a
// user that does not have that id, root's id without root's name, an id below
// zero. `spool` is mail_spool_directory: a worker for it gets its group when
// that may write there (Debian's /var/mail), as master's own decision; no
// directory of a user's choice has such a say.
Result<Identity> worker_identity(const ipc::WorkerRequest& request,
                                 const std::string& spool);

}  // namespace postern::master
