#include "smtpd/command_line.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postern::smtpd {

CommandLine parse_command_line(std::string_view line) {
  CommandLine out;
  line = trim(line);
  const std::size_t end = line.find_first_of(" \t");
  out.verb = line.substr(0, end);
  if (end == std::string_view::npos) return out;
  out.rest = trim_left(line.substr(end));
  out.words = split_words(out.rest, " \t");
  return out;
}

// RFC 5322 section 3.6.8: a field name is printable ASCII up to the colon.
bool looks_like_header(std::string_view verb) {
  const std::size_t colon = verb.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  for (const char c : verb.substr(0, colon))
    if (!is_print(c) || c == ' ') return false;
  return true;
}

std::string harmless_name(std::string_view name) {
  std::string out = printable_utf8(name);
  for (char& c : out)
    if (std::string_view(" <>()\\\";@").find(c) != std::string_view::npos)
      c = '?';
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\r') out += "\\r";
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c == '\\') out += "\\\\";
    else if (is_print(c)) out += c;
    else out += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace postern::smtpd
