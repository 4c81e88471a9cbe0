#include "common/config/lines.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/text.h"

namespace postern::config {

std::vector<LogicalLine> logical_lines(std::string_view content) {
  std::vector<LogicalLine> lines;
  int number = 0;
  while (!content.empty()) {
    ++number;
    std::size_t end = content.find('\n');
    std::string_view line = content.substr(0, end);
    content.remove_prefix(end == std::string_view::npos ? content.size()
                                                        : end + 1);
    line = trim_right(line);
    std::string_view visible = trim_left(line);
    if (visible.empty() || visible.front() == '#') continue;
    bool continues = visible.size() < line.size();
    if (continues && !lines.empty()) {
      lines.back().text.append(line);
      lines.back().last = number;
    } else {
      lines.push_back({std::string(line), number, number, continues});
    }
  }
  return lines;
}

std::string with_caret(std::string_view text, int line, int column) {
  std::string number = fmt::format("{:>6}", line);
  std::size_t before = static_cast<std::size_t>(std::max(column, 1) - 1);
  std::string gap(number.size(), ' ');
  std::string indent;
  for (std::size_t i = 0; i < std::min(before, text.size()); ++i)
    indent += text[i] == '\t' ? '\t' : ' ';
  return fmt::format("{} | {}\n{} | {}^", number, text, gap, indent);
}

}  // namespace postern::config
