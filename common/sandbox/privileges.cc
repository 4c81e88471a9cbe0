#include "common/sandbox/privileges.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

#include "common/base/text.h"
#include "common/os/files.h"

namespace postern::sandbox {
namespace {

constexpr unsigned long bits =
    SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

std::uint64_t mask_of(const std::vector<int>& capabilities) {
  std::uint64_t mask = 0;
  for (const int each : capabilities) mask |= std::uint64_t{1} << each;
  return mask;
}

// EPERM: not root, so there is little to drop; in_force tells what is left.
Status drop_bounding_set(std::uint64_t kept) {
  for (int each = 0; each < 64; ++each) {
    if ((kept >> each & 1) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, each, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) break;  // no such capability, nor a higher one
    if (errno == EPERM) break;
    return os::system_trouble("drop from the bounding set", errno);
  }
  return {};
}

Status set_capabilities(std::uint64_t kept) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> now{};
  if (::syscall(SYS_capget, &header, now.data()) != 0)
    return os::system_trouble("read capabilities", errno);
  std::array<__user_cap_data_struct, 2> wanted{};
  for (unsigned i = 0; i < 2; ++i) {
    const auto half = static_cast<std::uint32_t>(kept >> (32 * i));
    wanted[i].permitted = now[i].permitted & half;
    wanted[i].effective = wanted[i].permitted;
  }
  if (::syscall(SYS_capset, &header, wanted.data()) != 0)
    return os::system_trouble("give up capabilities", errno);
  return {};
}

Status promise_no_new_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return os::system_trouble("set no_new_privs", errno);
  return {};
}

template <class Number>
Number number_in(std::string_view line, int base) {
  const std::string_view digits = trim(line.substr(line.find(':') + 1));
  Number number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  return number;
}

void take_line(InForce& facts, std::string_view line) {
  const std::string_view key = line.substr(0, line.find(':'));
  const auto set = [&] { return number_in<std::uint64_t>(line, 16); };
  const auto count = [&] { return number_in<int>(line, 10); };
  if (key == "NoNewPrivs") facts.no_new_privileges = count() == 1;
  if (key == "Seccomp") facts.seccomp = count();
  if (key == "Threads") facts.threads = count();
  if (key == "CapInh") facts.inheritable = set();
  if (key == "CapPrm") facts.permitted = set();
  if (key == "CapEff") facts.effective = set();
  if (key == "CapBnd") facts.bounding = set();
  if (key == "CapAmb") facts.ambient = set();
}

}  // namespace

Status before_ids(Role role) {
  const Profile& row = profile(role);
  if (!row.confined() || row.starts_programs()) return {};
  if (::prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0)
    return os::system_trouble("set securebits", errno);
  if (Status dropped = drop_bounding_set(mask_of(row.capabilities)); !dropped)
    return dropped;
  return promise_no_new_privileges();
}

Status after_ids(Role role) {
  const Profile& row = profile(role);
  if (!row.confined()) return {};
  return set_capabilities(mask_of(row.capabilities));
}

Status drop_capabilities(const Profile& profile) {
  const std::uint64_t kept = mask_of(profile.capabilities);
  if (profile.confined()) {
    // Without CAP_SETPCAP this fails: then master has done it, or the process
    // is an ordinary user's and has nothing that the bits could take.
    ::prctl(PR_SET_SECUREBITS, bits, 0, 0, 0);
    if (Status promised = promise_no_new_privileges(); !promised)
      return promised;
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (Status dropped = drop_bounding_set(kept); !dropped) return dropped;
  return set_capabilities(kept);
}

Result<InForce> in_force(pid_t pid) {
  const Result<std::string> text =
      os::read_file("/proc/" + std::to_string(pid) + "/status", 1u << 16);
  if (!text) return text.trouble();
  InForce facts;
  for (const std::string& line : split(*text, '\n')) take_line(facts, line);
  return facts;
}

}  // namespace postern::sandbox
