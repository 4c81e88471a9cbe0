// A command line in its parts, before any command looks at it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::smtpd {

struct CommandLine {
  std::string verb;                // as given
  std::string rest;                // behind the verb, trimmed
  std::vector<std::string> words;  // of the rest, at blanks

  bool bare() const { return words.empty(); }
};

// `line` has no line end. A line of blanks gives an empty verb.
CommandLine parse_command_line(std::string_view line);

// Talks HTTP, or sends a message header where a command is due.
bool looks_like_header(std::string_view verb);

// Printable, and without what could end a comment or a quotation in a header
// or a log line: for names that strangers choose.
std::string harmless_name(std::string_view name);

// Control characters as \r, \n, \t or octal, backslashes doubled: for log
// lines that show what was sent.
std::string escaped(std::string_view text);

}  // namespace postern::smtpd
