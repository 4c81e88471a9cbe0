#include "common/service/directories.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "common/os/files.h"
#include "common/os/users.h"
#include "common/service/places.h"

namespace postern {
namespace {

constexpr auto unchanged_user = static_cast<uid_t>(-1);
constexpr auto unchanged_group = static_cast<gid_t>(-1);

struct Owners {
  os::User mail;
  gid_t drop = unchanged_group;
  std::string drop_name;
};

Result<Owners> owners_of(const config::Config& config) {
  const std::string name = config.get<"mail_owner">();
  const Result<std::optional<os::User>> user = os::find_user(name);
  if (!user) return user.trouble();
  if (!*user)
    return give_up("3.5", "mail_owner: there is no user " + name);
  const std::string group = config.get<"setgid_group">();
  const Result<std::optional<gid_t>> drop = os::find_group(group);
  if (!drop) return drop.trouble();
  if (!*drop)
    return give_up("3.5", "setgid_group: there is no group " + group);
  return Owners{**user, **drop, group};
}

// The user of a class where it exists, else mail_owner.
os::User class_user(const config::Config& config, sandbox::UserClass which,
                    const os::User& fallback) {
  const Result<std::optional<os::User>> found =
      os::find_user(config.text(owner_parameter(which)));
  if (found && *found) return **found;
  return fallback;
}

}  // namespace

Result<std::vector<WantedDirectory>> wanted_directories(
    const config::Config& config, bool as_root) {
  Owners owners;
  if (as_root) {
    const Result<Owners> found = owners_of(config);
    if (!found) return found.trouble();
    owners = *found;
  }
  std::vector<WantedDirectory> all;
  const auto add = [&](const std::string& path, const os::User& user,
                       bool of_root, bool dropped_into, mode_t mode) {
    WantedDirectory each{path, unchanged_user, unchanged_group, mode, "", ""};
    if (as_root) {
      each.owner = of_root ? 0 : user.uid;
      each.owner_name = of_root ? "root" : user.name;
      if (dropped_into) {
        each.group = owners.drop;
        each.group_name = owners.drop_name;
      }
    }
    all.push_back(std::move(each));
  };
  const std::string queue = config.get<"queue_directory">();
  for (const QueueDirectory& each : queue_directories())
    add(each.name.empty() ? queue : queue + "/" + std::string(each.name),
        owners.mail, each.owned_by_root, each.dropped_into, each.mode);
  // The smtp processes pass through `private` to the sockets of LMTP servers
  // and the like, and do not see what is in it.
  if (as_root) {
    const os::User network =
        class_user(config, sandbox::UserClass::network, owners.mail);
    for (WantedDirectory& each : all)
      if (each.path == queue + "/private") {
        each.group = network.gid;
        each.group_name = "of " + network.name;
        each.mode = 0710;
      }
  }
  // lookup makes its caches in it, but cannot replace what is authd's there;
  // others pass through it to theirs and do not see what is in it.
  const os::User lookup =
      class_user(config, sandbox::UserClass::lookup, owners.mail);
  add(data_directory_of(Role::lookup, config), owners.mail, false, false,
      01771);
  if (as_root) {
    all.back().group = lookup.gid;
    all.back().group_name = "of " + lookup.name;
  }
  add(data_directory_of(Role::authd, config),
      class_user(config, sandbox::UserClass::auth, owners.mail), false, false,
      0700);
  return all;
}

Result<bool> make_if_missing(const WantedDirectory& wanted) {
  if (os::exists(wanted.path)) return false;
  if (Status made = os::make_directories(os::directory_of(wanted.path), 0755);
      !made)
    return made.trouble();
  if (::mkdir(wanted.path.c_str(), 0700) != 0)
    return os::system_trouble("make directory " + wanted.path, errno);
  if (Status done = repair(wanted); !done) return done.trouble();
  return true;
}

std::vector<std::string> judge(const WantedDirectory& wanted) {
  struct stat facts;
  if (::lstat(wanted.path.c_str(), &facts) != 0)
    return {wanted.path + ": " + os::error_text(errno)};
  if (!S_ISDIR(facts.st_mode)) return {wanted.path + " is not a directory"};
  std::vector<std::string> wrong;
  if (wanted.owner != unchanged_user && facts.st_uid != wanted.owner)
    wrong.push_back("not owned by " + wanted.owner_name + ": " + wanted.path);
  if (wanted.group != unchanged_group && facts.st_gid != wanted.group)
    wrong.push_back("not owned by group " + wanted.group_name + ": " +
                    wanted.path);
  // More than is wanted is a danger; less, in what the owner does not have,
  // may be the administrator's wish.
  const mode_t mode = facts.st_mode & 0777;
  if ((mode & ~wanted.mode & 077) != 0)
    wrong.push_back(fmt::format("group or other have rights (mode {:04o}, "
                                "{:04o} is right): {}",
                                mode, wanted.mode & 07777, wanted.path));
  if ((mode & 0700) != 0700 && (wanted.mode & 0700) == 0700)
    wrong.push_back("its owner lacks rights: " + wanted.path);
  return wrong;
}

// By a descriptor, so that nobody can put a link in the directory's place.
Status repair(const WantedDirectory& wanted) {
  const Result<Fd> directory =
      os::open_file(wanted.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory) return directory.trouble();
  const bool owners =
      wanted.owner != unchanged_user || wanted.group != unchanged_group;
  if (owners && ::fchown(directory->get(), wanted.owner, wanted.group) != 0)
    return os::system_trouble("change owner of " + wanted.path, errno);
  if (::fchmod(directory->get(), wanted.mode) != 0)
    return os::system_trouble("change mode of " + wanted.path, errno);
  return {};
}

}  // namespace postern
