// postern status --isolation: what the kernel says is in force, process by
// process, beside what the table of profiles promises.
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <vector>

#include "common/base/text.h"
#include "common/os/files.h"
#include "common/os/users.h"
#include "common/sandbox/privileges.h"
#include "common/sandbox/profiles.h"
#include "common/service/instance.h"
#include "tools/postern_suite.h"

namespace postern::tools {
namespace {

struct Seen {
  pid_t pid = 0;
  pid_t parent = 0;
  std::string name;  // of the executable, as the kernel keeps it
  uid_t uid = 0;
};

std::optional<Seen> look_at(pid_t pid) {
  const std::string directory = "/proc/" + std::to_string(pid);
  const Result<std::string> text =
      os::read_file(directory + "/status", 1u << 16);
  if (!text) return std::nullopt;
  Seen seen;
  seen.pid = pid;
  for (const std::string& line : split(*text, '\n')) {
    const std::vector<std::string> words = split_words(line, ":\t ");
    if (words.size() < 2) continue;
    if (words[0] == "Name") seen.name = words[1];
    if (words[0] == "PPid")
      seen.parent = static_cast<pid_t>(parse_number(words[1]).value_or(0));
    if (words[0] == "Uid")
      seen.uid = static_cast<uid_t>(parse_number(words[1]).value_or(0));
  }
  return seen;
}

std::vector<Seen> family_of(pid_t master) {
  std::vector<Seen> family;
  const Result<std::vector<std::string>> entries = os::list_directory("/proc");
  if (!entries) return family;
  for (const std::string& name : *entries) {
    const auto pid = parse_number(name);
    if (!pid) continue;
    const std::optional<Seen> seen = look_at(static_cast<pid_t>(*pid));
    if (seen && (seen->pid == master || seen->parent == master))
      family.push_back(*seen);
  }
  std::sort(family.begin(), family.end(),
            [](const Seen& a, const Seen& b) { return a.pid < b.pid; });
  return family;
}

std::uint64_t promised(const sandbox::Profile& profile) {
  std::uint64_t mask = 0;
  for (const int each : profile.capabilities) mask |= std::uint64_t{1} << each;
  return mask;
}

// What the kernel grants beyond the profile; empty: nothing.
std::string excess(const sandbox::Profile& profile,
                   const sandbox::InForce& facts, bool as_root) {
  std::string text;
  const auto add = [&](const char* what) {
    text += (text.empty() ? "" : ", ");
    text += what;
  };
  const std::uint64_t held =
      facts.permitted | facts.effective | facts.inheritable | facts.ambient;
  if ((held & ~promised(profile)) != 0) add("more capabilities");
  if (!profile.confined()) return text;
  if (!facts.no_new_privileges) add("may gain privileges");
  if (facts.seccomp != 2) add("no system call filter");
  if (as_root && facts.bounding != 0) add("bounding set not empty");
  return text;
}

std::string user_name(uid_t uid) {
  const Result<std::optional<os::User>> user = os::find_user(uid);
  return user && *user ? (*user)->name : std::to_string(uid);
}

}  // namespace

int show_isolation(Suite& suite) {
  const Result<std::optional<pid_t>> master = running_master(suite.config);
  if (!master) suite.log.fatal(master.trouble().text);
  if (!*master) suite.log.fatal("the Postern mail system is not running");
  struct stat facts;
  const std::string of_master = "/proc/" + std::to_string(**master);
  const bool as_root =
      ::stat(of_master.c_str(), &facts) == 0 && facts.st_uid == 0;
  fmt::print("{:>7} {:<9} {:<16} {:<10} {:<11} {:<8} {:<16} {}\n", "PID",
             "PROCESS", "USER", "CLASS", "NO-NEW-PRIV", "FILTER",
             "CAPABILITIES", "AS THE PROFILE SAYS");
  int result = 0;
  for (const Seen& each : family_of(**master)) {
    const std::optional<Role> role = role_from(each.name);
    const Result<sandbox::InForce> now = sandbox::in_force(each.pid);
    if (!role || !now) continue;
    const sandbox::Profile& profile = sandbox::profile(*role);
    const std::string more = excess(profile, *now, as_root);
    if (!more.empty()) result = 1;
    fmt::print("{:>7} {:<9} {:<16} {:<10} {:<11} {:<8} {:016x} {}\n", each.pid,
               each.name, user_name(each.uid),
               sandbox::to_string(profile.user),
               now->no_new_privileges ? "yes" : "no",
               now->seccomp == 2 ? "yes" : "no", now->permitted,
               more.empty() ? "yes" : "NO: " + more);
  }
  return result;
}

}  // namespace postern::tools
