// A connection that master makes for a process. Next: dial.cc.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/os/fd.h"

namespace postern::master {

// A stream to the socket with this path, non-blocking, made without waiting.
// Trouble's text is the reason alone: "No such file or directory".
Result<Fd> connect_to_path(const std::string& path);

}  // namespace postern::master
