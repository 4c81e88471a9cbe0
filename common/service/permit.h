// What master lets a worker or a runner do, as the words of its command line:
// whatever local asks of it later, it does this and no more.
// Next: master/judge.h (who gets which), local/worker.cc, local/runner.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace postern {

struct Permit {
  // The log.
  std::string tag = "postern/worker";
  std::string facility = "mail";
  bool log_file = false;        // descriptor 4
  bool allow_degraded = false;  // allow_degraded_isolation

  // Whose process it is. Empty for ids that are no user of this machine.
  std::string user;
  std::string home;
  std::string shell;

  // What a worker may store into; a maildir ends with a slash.
  std::string path;
  // forward_path as in main.conf: the user's forwarding files may be read.
  std::string forward_path;
  std::string forward_filter;  // forward_expansion_filter
  // The :include: file that may be read.
  std::string list;
  // The :include: file that must name that one, where the origin is "include".
  std::string outer_list;
  // "forward", "include": such a file must name the path or the command, or
  // nothing is done.
  std::string origin;

  // What a runner may run: text for the shell, or a program.
  std::string command;
  std::string shell_words;  // local_command_shell
  std::string program;
  std::string directory;         // where; may hold $names
  std::string queue_directory;   // there where a name has no value
  std::string directory_filter;  // execution_directory_expansion_filter
  std::string environment_filter;  // command_expansion_filter
  std::int64_t time_limit = 0;     // milliseconds

  // One "name=value" for each that is set.
  std::vector<std::string> arguments() const;
  // Of those. Trouble: a word that is none of them.
  static Result<Permit> parse(const std::vector<std::string>& arguments);
};

}  // namespace postern
