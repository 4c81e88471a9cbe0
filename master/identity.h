// Who the processes run as when root has started the suite.
#pragma once

#include <sys/types.h>

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/role.h"
#include "common/config/config.h"
#include "common/config/master_table.h"
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

// The group of mail_spool_directory where that may write there (Debian's
// /var/mail) and `path` is a mailbox in it: as master's own decision. No
// directory of a user's choice has such a say.
std::optional<gid_t> group_of_spool(const std::string& spool,
                                    const std::string& path);

}  // namespace postern::master
