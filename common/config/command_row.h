// The arguments of a pipe or spawn row of master.conf: which program, as whom,
// and how a message is changed on its way to it (pipe(8), spawn(8)).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace postern::config {

struct CommandRow {
  std::string user;
  std::string group;  // empty: the user's own
  std::vector<std::string> argv;  // the program first; macros not expanded

  // pipe alone
  std::string flags;  // known ones only
  std::string null_sender = "MAILER-DAEMON";
  std::string directory;
  std::string chroot;
  std::string line_end = "\n";
  std::int64_t size_limit = 0;  // 0: none
  std::vector<std::string> warnings;

  bool has(char flag) const { return flags.find(flag) != std::string::npos; }

  // `program`: "pipe" or "spawn". Trouble (permanent, 3.5) says which
  // attribute is missing or cannot be.
  static Result<CommandRow> parse(const std::vector<std::string>& arguments,
                                  const std::string& program);
};

// "\r\n" as it is written in eol=: \a \b \f \n \r \t \v \\ and up to three
// octal digits; any other character after a backslash stands for itself.
std::string unescape(const std::string& text);

}  // namespace postern::config
