// What a command's end means for the message: the exit status as sysexits(3)
// defines it, and an enhanced status code at the start of its output, in the
// words of local(8) and pipe(8).
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/ipc/messages/worker.h"

namespace postern::local {

// `command` is what its failure is called by. Trouble's text: "permission
// denied. Command output: …", or the output itself where it begins with a
// status code.
Status judge_exit(const ipc::RunAnswer& ended, const std::string& command);

// Of a command that failed, what it said, or else what its end means: for the
// diagnostic code of a notice (RFC 3464 section 2.3.6).
std::string said_by_program(const ipc::RunAnswer& ended);

// For the log, beside what the sender is told.
inline constexpr char time_limit_warning[] =
    "pipe_command_read: read time limit exceeded";

// Output on one line: line ends are blanks, what cannot be printed is "_".
std::string output_line(const std::string& output);

}  // namespace postern::local
