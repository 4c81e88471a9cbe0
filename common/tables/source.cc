#include "common/tables/source.h"

#include "common/base/text.h"
#include "common/os/files.h"

namespace postern::tables {

std::string_view LogicalLines::take_line() {
  const std::size_t end = rest_.find('\n');
  std::string_view line = rest_.substr(0, end);
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  ++line_;
  return line;
}

std::optional<std::string> LogicalLines::next() {
  std::optional<std::string> logical;
  while (!rest_.empty()) {
    // A line that starts with text begins the next logical line.
    if (logical && !is_space(rest_.front()) && rest_.front() != '#') break;
    const std::string_view line = take_line();
    const std::string_view bare = trim_left(line);
    if (bare.empty() || bare.front() == '#') continue;
    if (!logical) {
      logical.emplace();
      first_ = line_;
    }
    *logical += line;
    last_ = line_;
  }
  return logical;
}

namespace {

// Where the key ends: the first white space outside double quotes. npos: a
// quote is not closed.
std::size_t end_of_key(std::string_view line) {
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && quoted && i + 1 < line.size()) {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (is_space(line[i]) && !quoted) {
      return i;
    }
  }
  return quoted ? std::string_view::npos : line.size();
}

}  // namespace

SourceLine parse_entry(std::string_view text) {
  const std::string_view line = trim(text);
  const std::size_t end = end_of_key(line);
  if (end == std::string_view::npos)
    return {std::nullopt, "unbalanced '\"' in '" + printable_utf8(line) +
                              "' -- ignoring this line"};
  Entry entry{std::string(line.substr(0, end)),
              std::string(trim(line.substr(end)))};
  if (entry.value.empty())
    return {std::nullopt, "expected format: key whitespace value"};
  std::string complaint;
  if (entry.key.back() == ':')
    complaint = "record is in \"key: value\" format; is this an alias file?";
  return {std::move(entry), std::move(complaint)};
}

Result<std::string> content_of_files(std::string_view value) {
  std::string content;
  bool first = true;
  const std::vector<std::string> names = split_words(value);
  if (names.empty())
    return try_later("3.5",
                     "empty pathname list: >>" + std::string(value) + "<<'");
  for (const std::string& name : names) {
    Result<std::string> text = os::read_file(name);
    if (!text) return text.trouble();
    if (!first) content += '\n';
    content += *text;
    first = false;
  }
  return content;
}

}  // namespace postern::tables
