// Program names of master.conf, and which of our programs serves their rows.
// Next: plan.h.
#pragma once

#include <string_view>

#include "common/base/role.h"

namespace postern::master {

enum class Hosting {
  own,      // the row has a process of its own
  hosted,   // lives in the process of its role's first row
  silent,   // built in; needs neither process nor listener
};

struct Program {
  std::string_view name;  // as in master.conf
  Role role;
  Hosting hosting;
  bool listens;           // its socket is bound for it
};

inline constexpr Program programs[] = {
    {"smtpd", Role::smtpd, Hosting::own, true},
    {"postscreen", Role::smtpd, Hosting::own, true},
    {"qmqpd", Role::smtpd, Hosting::own, true},
    {"dnsblog", Role::smtpd, Hosting::silent, false},
    {"tlsproxy", Role::smtpd, Hosting::silent, false},
    {"cleanup", Role::cleanup, Hosting::own, false},
    {"pickup", Role::cleanup, Hosting::hosted, true},
    {"bounce", Role::cleanup, Hosting::hosted, false},
    {"qmgr", Role::qmgr, Hosting::own, true},
    {"oqmgr", Role::qmgr, Hosting::own, true},
    {"nqmgr", Role::qmgr, Hosting::own, true},
    {"showq", Role::qmgr, Hosting::hosted, true},
    {"flush", Role::qmgr, Hosting::hosted, true},
    {"error", Role::qmgr, Hosting::hosted, false},
    {"discard", Role::qmgr, Hosting::hosted, false},
    {"smtp", Role::smtp, Hosting::own, false},
    {"lmtp", Role::smtp, Hosting::own, false},
    {"scache", Role::smtp, Hosting::silent, false},
    {"local", Role::local, Hosting::own, false},
    {"virtual", Role::local, Hosting::own, false},
    {"pipe", Role::local, Hosting::own, false},
    {"spawn", Role::local, Hosting::own, true},
    {"authd", Role::authd, Hosting::hosted, true},
    {"tlsmgr", Role::authd, Hosting::hosted, false},
    {"proxymap", Role::lookup, Hosting::hosted, false},
    {"trivial-rewrite", Role::lookup, Hosting::hosted, false},
    {"verify", Role::lookup, Hosting::hosted, false},
    {"anvil", Role::lookup, Hosting::hosted, false},
    {"postlogd", Role::postlogd, Hosting::own, true},
};

constexpr const Program* find_program(std::string_view name) {
  for (const Program& each : programs)
    if (each.name == name) return &each;
  return nullptr;
}

}  // namespace postern::master
