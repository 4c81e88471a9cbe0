// Logical lines, the layer that main.conf and master.conf share (postconf(5)):
// a line that begins with white space continues the one before it; blank lines
// and lines whose first visible character is `#` do not count, not even
// between a line and its continuation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::config {

struct LogicalLine {
  std::string text;  // as in the file, but for line ends and what precedes them
  int first = 0;     // physical lines, from 1
  int last = 0;
  // Began with white space although no line was there to continue.
  bool stray = false;
};

std::vector<LogicalLine> logical_lines(std::string_view content);

// A file's line with a caret under `column` (from 1), as two lines, for
// messages: "    12 | smtp inet n\n       |      ^".
std::string with_caret(std::string_view text, int line, int column);

}  // namespace postern::config
