// What local may ask master for. local decides who gets a message; if it is
// ever taken over, it must not become whoever it likes. So master looks at
// each request by itself, with nothing but its own reading of main.conf,
// master.conf and the user database, and hands the new process a Permit that
// local cannot widen. docs/decisions/0008-programs-of-users.md has the list.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/config/master_table.h"
#include "common/ipc/messages/control.h"
#include "common/service/permit.h"
#include "master/identity.h"

namespace postern::master {

struct JudgeFacts {
  const config::ServiceRow& row;     // whose process asks
  const config::Config& config;      // with that row's -o
  const Identities* identities;      // nullptr: master is no root
  const std::vector<std::string>& environment;  // of master's children
};

struct Verdict {
  Role role = Role::worker;
  std::optional<Identity> identity;  // none: as master itself
  Permit permit;
  std::vector<std::string> environment;
};

// Trouble: why not, for the log and for the sender of the message.
Result<Verdict> judge(const ipc::WorkerRequest& request,
                      const JudgeFacts& facts);

// The environment of commands: PATH, and what export_environment lists (NAME
// or NAME=value, also in braces) of `current`.
std::vector<std::string> exported_environment(
    const std::string& list, const std::vector<std::string>& current);

}  // namespace postern::master
