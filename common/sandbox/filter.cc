#include "common/sandbox/filter.h"

#include <seccomp.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <string>

#include "common/os/files.h"
#include "common/sandbox/sanitized.h"

namespace postern::sandbox {
namespace {

struct Release {
  void operator()(void* context) const { ::seccomp_release(context); }
};
using Context = std::unique_ptr<void, Release>;

// Alternatives per call; an alternative without conditions makes the others
// superfluous.
struct Allowed {
  bool always = false;
  std::vector<std::vector<Condition>> alternatives;
};
using CallTable = std::map<int, Allowed>;

// libseccomp's number on this architecture; negative where there is no such
// call (open(2) on arm64, futex_waitv for an old library).
int number_of(const char* name) { return ::seccomp_syscall_resolve_name(name); }

void add(CallTable& table, const Call& call) {
  const int number = number_of(call.name);
  if (number < 0) return;
  Allowed& entry = table[number];
  if (call.when.empty())
    entry.always = true;
  else
    entry.alternatives.push_back(call.when);
}

CallTable table_of(const std::vector<Grant>& grants) {
  CallTable table;
  for (const Grant grant : grants)
    for (const Call& call : word(grant).calls) add(table, call);
  if (sanitized)
    for (const char* name : sanitizer_calls()) add(table, {name, {}});
  return table;
}

int allow(scmp_filter_ctx context, int number,
          const std::vector<Condition>& conditions) {
  std::vector<scmp_arg_cmp> tests;
  for (const Condition& each : conditions) {
    const std::uint64_t value = each.value == own_process
                                    ? static_cast<std::uint64_t>(::getpid())
                                    : each.value;
    tests.push_back(
        {each.argument, SCMP_CMP_MASKED_EQ, each.mask, value & each.mask});
  }
  return ::seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number,
                                  static_cast<unsigned>(tests.size()),
                                  tests.data());
}

int add_rules(scmp_filter_ctx context, const CallTable& table) {
  for (const auto& [number, allowed] : table) {
    if (allowed.always) {
      if (const int error = allow(context, number, {}); error != 0)
        return error;
      continue;
    }
    for (const std::vector<Condition>& conditions : allowed.alternatives)
      if (const int error = allow(context, number, conditions); error != 0)
        return error;
  }
  for (const char* name : deadly_calls()) {
    const int number = number_of(name);
    if (number < 0 || table.count(number) != 0) continue;
    const int error =
        ::seccomp_rule_add(context, SCMP_ACT_KILL_PROCESS, number, 0);
    if (error != 0) return error;
  }
  for (const Refusal& refusal : special_refusals()) {
    const int number = number_of(refusal.name);
    if (number < 0 || table.count(number) != 0) continue;
    const auto code = static_cast<std::uint32_t>(refusal.error_number);
    const int error =
        ::seccomp_rule_add(context, SCMP_ACT_ERRNO(code), number, 0);
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace

Status filter_calls(const std::vector<Grant>& grants) {
  const Context context(::seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!context) return os::system_trouble("make a system call filter", ENOMEM);
  // Calls by the numbers of another architecture (32 bit) are an attack.
  int error = ::seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH,
                                 SCMP_ACT_KILL_PROCESS);
  // A tree instead of a list: a few comparisons per call.
  if (error == 0)
    error = ::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (error == 0) error = add_rules(context.get(), table_of(grants));
  if (error != 0)
    return os::system_trouble("make a system call filter", -error);
  error = ::seccomp_load(context.get());
  if (error != 0)
    return os::system_trouble("load the system call filter", -error);
  return {};
}

}  // namespace postern::sandbox
