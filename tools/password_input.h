// Passwords come from the terminal, without echo, or from the standard input:
// never from a command line, which everybody can see.
#pragma once

#include <string>

#include "common/base/result.h"

namespace postern::tools {

// Where the standard input is a terminal, asks twice ("New password for …"),
// with echo off. Otherwise the first line of the standard input. Trouble: the
// two differ, nothing came, or it cannot be a password (empty, longer than
// 1024 bytes, control characters).
Result<std::string> read_new_password(const std::string& user);

}  // namespace postern::tools
