#include "tools/log_datagram.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"

namespace postern::tools {
namespace {

constexpr std::size_t longest_tag = 128;
constexpr std::int64_t largest_pid = 1 << 30;

std::string_view take_word(std::string_view& text) {
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, space);
  text.remove_prefix(std::min(space + 1, text.size()));
  return word;
}

// Brackets and colons would make the line another program's.
bool plausible_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= longest_tag &&
         std::all_of(tag.begin(), tag.end(), [](char c) {
           return is_print(c) && c != ' ' && c != '[' && c != ']' && c != ':';
         });
}

}  // namespace

std::optional<LogDatagram> parse_log_datagram(std::string_view bytes) {
  const std::string_view severity = take_word(bytes);
  const std::optional<std::int64_t> pid = parse_number(take_word(bytes));
  const std::string_view tag = take_word(bytes);
  if (severity.size() != 1 || severity[0] < '0' || severity[0] > '4' || !pid ||
      *pid <= 0 || *pid > largest_pid || !plausible_tag(tag))
    return std::nullopt;
  LogDatagram out;
  out.severity = static_cast<log::Severity>(severity[0] - '0');
  out.pid = static_cast<long>(*pid);
  out.tag = tag;
  out.text = printable_utf8(bytes);
  return out;
}

std::optional<log::Severity> severity_from(std::string_view name) {
  static constexpr std::pair<std::string_view, log::Severity> names[] = {
      {"info", log::Severity::info},       {"warn", log::Severity::warning},
      {"warning", log::Severity::warning}, {"error", log::Severity::error},
      {"fatal", log::Severity::fatal},     {"panic", log::Severity::panic}};
  for (const auto& [known, severity] : names)
    if (name == known) return severity;
  return std::nullopt;
}

}  // namespace postern::tools
