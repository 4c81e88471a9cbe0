#include "common/sandbox/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "common/os/fd.h"
#include "common/os/files.h"
#include "common/sandbox/sanitized.h"

namespace postern::sandbox {
namespace {

// linux/landlock.h of Debian 12 ends with version 2, so the interface is
// declared here (numbers are part of the kernel's stable interface).
namespace fs {
constexpr std::uint64_t execute = 1u << 0;
constexpr std::uint64_t write_file = 1u << 1;
constexpr std::uint64_t read_file = 1u << 2;
constexpr std::uint64_t read_dir = 1u << 3;
constexpr std::uint64_t remove_dir = 1u << 4;
constexpr std::uint64_t remove_file = 1u << 5;
constexpr std::uint64_t make_dir = 1u << 7;
constexpr std::uint64_t make_reg = 1u << 8;
constexpr std::uint64_t make_sym = 1u << 12;
constexpr std::uint64_t refer = 1u << 13;      // version 2
constexpr std::uint64_t truncate = 1u << 14;   // version 3
constexpr std::uint64_t ioctl_dev = 1u << 15;  // version 5
constexpr std::uint64_t all_of_version_1 = (1u << 13) - 1;
constexpr std::uint64_t of_files =
    execute | write_file | read_file | truncate | ioctl_dev;
}  // namespace fs

namespace net {
constexpr std::uint64_t bind_tcp = 1u << 0;     // version 4
constexpr std::uint64_t connect_tcp = 1u << 1;  // version 4
}  // namespace net

namespace scope {
constexpr std::uint64_t abstract_unix_socket = 1u << 0;  // version 6
constexpr std::uint64_t signal = 1u << 1;                // version 6
}  // namespace scope

struct RulesetAttributes {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;
  std::uint64_t scoped;
};

struct [[gnu::packed]] PathBeneath {
  std::uint64_t allowed_access;
  std::int32_t parent_fd;
};

struct NetPort {
  std::uint64_t allowed_access;
  std::uint64_t port;
};

constexpr int rule_path_beneath = 1;
constexpr int rule_net_port = 2;
constexpr unsigned create_ruleset_version = 1;

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

RulesetAttributes attributes(int version, bool connects, bool signals) {
  RulesetAttributes handled{fs::all_of_version_1, 0, 0};
  if (version >= 2) handled.handled_access_fs |= fs::refer;
  if (version >= 3) handled.handled_access_fs |= fs::truncate;
  if (version >= 4)
    handled.handled_access_net =
        connects ? net::bind_tcp : net::bind_tcp | net::connect_tcp;
  if (version >= 5) handled.handled_access_fs |= fs::ioctl_dev;
  if (version >= 6)
    handled.scoped = signals ? scope::abstract_unix_socket
                             : scope::abstract_unix_socket | scope::signal;
  return handled;
}

std::uint64_t rights_of(const PathGrant& grant) {
  std::uint64_t rights = 0;
  if (grant.read) rights |= fs::read_file | fs::read_dir;
  if (grant.write) rights |= fs::write_file | fs::truncate;
  if (grant.create)
    rights |= fs::make_reg | fs::make_dir | fs::make_sym | fs::remove_file |
              fs::remove_dir | fs::refer;
  return rights;
}

Status add_path(int ruleset, const PathGrant& grant, std::uint64_t handled) {
  const Fd place(::open(grant.path.c_str(), O_PATH | O_CLOEXEC));
  if (!place) {
    if (!grant.required && errno == ENOENT) return {};
    return os::system_trouble("open " + grant.path, errno);
  }
  struct stat facts;
  if (::fstat(place.get(), &facts) != 0)
    return os::system_trouble("stat " + grant.path, errno);
  std::uint64_t rights = rights_of(grant) & handled;
  if (!S_ISDIR(facts.st_mode)) rights &= fs::of_files;
  const PathBeneath rule{rights, place.get()};
  if (::syscall(SYS_landlock_add_rule, ruleset, rule_path_beneath, &rule, 0) !=
      0)
    return os::system_trouble("add to the file view " + grant.path, errno);
  return {};
}

// A socket that connects may be bound to an address, at a port that the kernel
// chooses (smtp_bind_address).
Status allow_bind_to_address(int ruleset) {
  const NetPort rule{net::bind_tcp, 0};
  if (::syscall(SYS_landlock_add_rule, ruleset, rule_net_port, &rule, 0) != 0)
    return os::system_trouble("allow to bind to an address", errno);
  return {};
}

}  // namespace

int landlock_version() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0,
                                 create_ruleset_version);
  return version > 0 ? static_cast<int>(version) : 0;
}

int landlock_version_needed(const std::vector<PathGrant>& paths) {
  return std::any_of(paths.begin(), paths.end(),
                     [](const PathGrant& each) { return each.create; })
             ? 2
             : 1;
}

Status view_files(const std::vector<PathGrant>& paths, bool connects,
                  bool signals) {
  const int version = landlock_version();
  const RulesetAttributes handled = attributes(version, connects, signals);
  const Fd ruleset(static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0)));
  if (!ruleset) return os::system_trouble("make a file view", errno);
  std::vector<PathGrant> all = paths;
  if (sanitized) all.push_back({"/proc", true, false, false, false});
  for (const PathGrant& grant : all) {
    const Status added =
        add_path(ruleset.get(), grant, handled.handled_access_fs);
    if (!added) return added;
  }
  if (connects && version >= 4) {
    const Status added = allow_bind_to_address(ruleset.get());
    if (!added) return added;
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return os::system_trouble("put the file view in force", errno);
  return {};
}

}  // namespace postern::sandbox
