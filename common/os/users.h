// The user database, and giving up rights.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace postern::os {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string full_name;  // the GECOS field
  std::string home;
  std::string shell;
};

// nullopt: no such user. Trouble: the user database could not answer (which
// must never be taken for "no such user": mail would bounce).
Result<std::optional<User>> find_user(const std::string& name);
Result<std::optional<User>> find_user(uid_t uid);
Result<std::optional<gid_t>> find_group(const std::string& name);

// For good: groups, then group id, then user id, all of real, effective and
// saved. Verified afterwards. Requires root.
Status become(uid_t uid, gid_t gid, const std::vector<gid_t>& groups);

// Supplementary groups of a user, with `gid` among them.
std::vector<gid_t> groups_of(const std::string& name, gid_t gid);

}  // namespace postern::os
