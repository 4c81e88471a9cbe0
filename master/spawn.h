// fork and exec: what a child has and what it has lost before its program's
// first instruction.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/role.h"
#include "common/log/log.h"
#include "master/identity.h"

namespace postern::master {

struct Child {
  Role role = Role::smtpd;
  std::string executable;
  std::vector<std::string> arguments;  // argv, the name included
  std::vector<std::string> environment;
  int control = -1;   // becomes descriptor 3
  int log_file = -1;  // becomes descriptor 4; -1: none
  // None: master is no root, and the child runs as master does.
  std::optional<Identity> identity;
  bool keep_output = false;  // standard output and error stay (foreground)
};

// Must be called once, first of all: descriptors 0 to 4 are in use from then
// on, so that none that matters gets such a number.
void reserve_descriptors();

// The child's id. Whatever goes wrong after fork is logged by the child, which
// then ends with status 1. Nothing is inherited but descriptors 0 to 4.
Result<pid_t> spawn(const Child& child, const log::Log& log);

}  // namespace postern::master
