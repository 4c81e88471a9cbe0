// What a process is. One role per program folder; the profile
// (common/sandbox/profiles.h) and the contract (common/ipc/contract.h) are
// keyed by it.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace postern {

enum class Role {
  master,
  smtpd,
  cleanup,
  qmgr,
  smtp,
  local,
  worker,  // delivers into one mailbox as its owner
  runner,  // runs one command for a message or a connection, as its user
  authd,
  lookup,
  postlogd,
  tool,  // postqueue and friends, on a named socket
};

inline constexpr std::array<std::string_view, 12> role_names = {
    "master", "smtpd",  "cleanup", "qmgr",   "smtp",     "local",
    "worker", "runner", "authd",   "lookup", "postlogd", "tool"};

constexpr std::string_view name_of(Role role) {
  return role_names[static_cast<std::size_t>(role)];
}

constexpr std::optional<Role> role_from(std::string_view name) {
  for (std::size_t i = 0; i < role_names.size(); ++i)
    if (role_names[i] == name) return static_cast<Role>(i);
  return std::nullopt;
}

}  // namespace postern
