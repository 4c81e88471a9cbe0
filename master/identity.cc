#include "master/identity.h"

#include <sys/stat.h>

#include "common/base/panic.h"
#include "common/os/files.h"
#include "common/os/users.h"
#include "common/service/places.h"
#include "common/service/rights.h"
#include "common/service/sasl_files.h"

#include <set>

namespace postern::master {
namespace {

using sandbox::UserClass;

Identity identity_of(const os::User& user) {
  return {user.name, user.uid, user.gid, {user.gid}};
}

Result<Identity> mail_owner(const config::Config& config) {
  const std::string name = config.get<"mail_owner">();
  const Result<std::optional<os::User>> found = os::find_user(name);
  if (!found) return found.trouble();
  if (!*found)
    return give_up("3.5", "file " + config.file() +
                              ": parameter mail_owner: unknown user name "
                              "value: " + name);
  if ((*found)->uid == 0)
    return give_up("3.5", "file " + config.file() +
                              ": parameter mail_owner: user " + name +
                              " has privileged user ID");
  return identity_of(**found);
}

Result<gid_t> drop_group(const config::Config& config) {
  const std::string name = config.get<"setgid_group">();
  const Result<std::optional<gid_t>> found = os::find_group(name);
  if (!found) return found.trouble();
  if (!*found)
    return give_up("3.5", "file " + config.file() +
                              ": parameter setgid_group: unknown group name: " +
                              name);
  if (**found == 0)
    return give_up("3.5", "file " + config.file() +
                              ": parameter setgid_group: group " + name +
                              " has privileged group ID");
  return **found;
}

// A directory that its group may write in, and not everybody.
std::optional<gid_t> writing_group(const std::string& directory) {
  struct stat facts;
  if (::stat(directory.c_str(), &facts) != 0) return std::nullopt;
  const mode_t writers = facts.st_mode & (S_IWGRP | S_IWOTH);
  if (!S_ISDIR(facts.st_mode) || writers != S_IWGRP) return std::nullopt;
  return facts.st_gid;
}

}  // namespace

const Identity& Identities::of(Role role) const {
  const auto found = of_class.find(sandbox::profile(role).user);
  require(found != of_class.end(), "a role that has no user of its own");
  return found->second;
}

Result<Identities> resolve_identities(const config::Config& config) {
  const Result<Identity> owner = mail_owner(config);
  if (!owner) return owner.trouble();
  const Result<gid_t> group = drop_group(config);
  if (!group) return group.trouble();
  Identities identities;
  identities.drop_group = *group;
  identities.of_class[UserClass::queue] = *owner;
  std::string missing;
  for (const UserClass each : {UserClass::network, UserClass::lookup,
                               UserClass::delivery, UserClass::auth}) {
    const std::string name = config.text(owner_parameter(each));
    const Result<std::optional<os::User>> found = os::find_user(name);
    if (!found) return found.trouble();
    const bool usable = *found && (*found)->uid != 0;
    if (!usable) missing += (missing.empty() ? "" : ", ") + name;
    identities.of_class[each] = usable ? identity_of(**found) : *owner;
  }
  if (!missing.empty())
    identities.warnings.push_back(
        "no such user: " + missing + "; their processes run as " +
        owner->user + " (postern check tells how to create them)");
  return identities;
}

void give_auth_groups(Identities& identities, const config::Config& config,
                      const std::vector<config::ServiceRow>& rows) {
  Identity& auth = identities.of_class[UserClass::auth];
  std::set<gid_t> groups(auth.groups.begin(), auth.groups.end());
  for (const gid_t each : os::groups_of(auth.user, auth.gid))
    groups.insert(each);
  for (const config::ServiceRow& row : rows) {
    if (!needs_cyrus(row.program, row.overrides, config)) continue;
    groups.insert(identities.of_class[UserClass::queue].gid);
    const Result<std::optional<gid_t>> sasl = os::find_group("sasl");
    if (sasl && *sasl) groups.insert(**sasl);
  }
  groups.erase(0);
  auth.groups.assign(groups.begin(), groups.end());
}

std::optional<gid_t> group_of_spool(const std::string& spool,
                                    const std::string& path) {
  if (!in_spool(spool, path)) return std::nullopt;
  return writing_group(spool);
}

}  // namespace postern::master
