// Who may say what to whom. What is not here does not leave the sender and
// ends the link at the receiver. Answers follow their questions and are not
// listed. Printed into docs/formats/ipc.md.
#pragma once

#include <cstdint>
#include <span>

#include "common/base/role.h"

namespace postern::ipc {

struct Edge {
  Role from;
  Role to;
  std::uint32_t type;
  const char* message;
};

std::span<const Edge> contract();

bool allowed(Role from, Role to, std::uint32_t type);

// May `from` ask master for a link to a process of role `to`?
bool may_link(Role from, Role to);

}  // namespace postern::ipc
