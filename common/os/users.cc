#include "common/os/users.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>

#include "common/os/files.h"

namespace postern::os {
namespace {

User from_passwd(const passwd& entry) {
  return {entry.pw_name, entry.pw_uid, entry.pw_gid,
          entry.pw_gecos == nullptr ? "" : entry.pw_gecos, entry.pw_dir,
          entry.pw_shell};
}

// The two reentrant look-ups differ in the key alone. ENOENT and friends mean
// "not found" in some name services (getpwnam_r(3), ERRORS).
template <class Lookup>
Result<std::optional<User>> look_up(const std::string& what, Lookup lookup) {
  std::string buffer(4096, '\0');
  for (;;) {
    passwd entry;
    passwd* found = nullptr;
    const int error = lookup(&entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < (1u << 20)) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (found != nullptr) return std::optional<User>(from_passwd(*found));
    if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF ||
        error == EPERM)
      return std::optional<User>();
    return system_trouble("look up user " + what, error);
  }
}

}  // namespace

Result<std::optional<User>> find_user(const std::string& name) {
  return look_up(name, [&](passwd* e, char* b, std::size_t n, passwd** f) {
    return ::getpwnam_r(name.c_str(), e, b, n, f);
  });
}

Result<std::optional<User>> find_user(uid_t uid) {
  return look_up(std::to_string(uid),
                 [&](passwd* e, char* b, std::size_t n, passwd** f) {
                   return ::getpwuid_r(uid, e, b, n, f);
                 });
}

Result<std::optional<gid_t>> find_group(const std::string& name) {
  std::string buffer(4096, '\0');
  for (;;) {
    group entry;
    group* found = nullptr;
    const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(),
                                   buffer.size(), &found);
    if (error == ERANGE && buffer.size() < (1u << 20)) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (found != nullptr) return std::optional<gid_t>(found->gr_gid);
    if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF ||
        error == EPERM)
      return std::optional<gid_t>();
    return system_trouble("look up group " + name, error);
  }
}

std::vector<gid_t> groups_of(const std::string& name, gid_t gid) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  while (::getgrouplist(name.c_str(), gid, groups.data(), &count) < 0) {
    if (static_cast<std::size_t>(count) <= groups.size()) return {gid};
    groups.resize(static_cast<std::size_t>(count));
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

Status become(uid_t uid, gid_t gid, const std::vector<gid_t>& groups) {
  if (::setgroups(groups.size(), groups.data()) != 0)
    return system_trouble("setgroups", errno);
  if (::setresgid(gid, gid, gid) != 0)
    return system_trouble("setresgid " + std::to_string(gid), errno);
  if (::setresuid(uid, uid, uid) != 0)
    return system_trouble("setresuid " + std::to_string(uid), errno);
  uid_t r, e, s;
  if (::getresuid(&r, &e, &s) != 0 || r != uid || e != uid || s != uid)
    return try_later("3.0", "user id did not change to " + std::to_string(uid));
  return {};
}

}  // namespace postern::os
