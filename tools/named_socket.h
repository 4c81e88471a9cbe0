// The sockets and pipes with names below queue_directory: what tools say to
// the running suite.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/os/fd.h"

namespace postern::tools {

// A connection to a stream socket; reading and writing end with Trouble after
// `patience` of silence. Trouble text: the system's reason alone.
Result<Fd> connect_named(const std::string& path,
                         std::chrono::seconds patience);

// One line there, one line back (without its end).
Result<std::string> ask_named(const std::string& path, std::string_view line,
                              std::chrono::seconds patience);

// Says `request` to a socket or FIFO, without waiting for anything. Trouble:
// nobody is there.
Status poke(const std::string& path, std::string_view request = "W");

}  // namespace postern::tools
