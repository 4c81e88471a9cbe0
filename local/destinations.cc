#include "local/destinations.h"

#include <algorithm>
#include <optional>

#include "common/base/text.h"
#include "common/mail/tokens.h"

namespace postern::local {
namespace {

constexpr std::string_view include_prefix = ":include:";

// Cuts at commas outside of quotes, comments and angle brackets.
std::vector<std::string_view> members(std::string_view text) {
  std::vector<std::string_view> all;
  std::size_t start = 0;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (quoted) {
      continue;
    } else if (c == '(' || c == '<') {
      ++depth;
    } else if ((c == ')' || c == '>') && depth > 0) {
      --depth;
    } else if (depth == 0 && (c == ',' || c == '\n')) {
      all.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  if (start < text.size()) all.push_back(text.substr(start));
  return all;
}

// What is between the quotes when they are around all of the text.
std::optional<std::string> unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"') return std::nullopt;
  std::string inside;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      if (i + 1 != text.size()) return std::nullopt;
      return inside;
    }
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    inside += text[i];
  }
  return std::nullopt;
}

// Commands, files and lists of addresses, by how they begin.
std::optional<Destination> special(std::string_view text) {
  using Kind = Destination::Kind;
  if (text.starts_with('|'))
    return Destination{Kind::command, std::string(trim(text.substr(1)))};
  if (text.starts_with('/')) return Destination{Kind::file, std::string(text)};
  if (starts_with_nocase(text, include_prefix))
    return Destination{Kind::include,
                       std::string(trim(text.substr(include_prefix.size())))};
  return std::nullopt;
}

}  // namespace

std::vector<Destination> parse_destinations(std::string_view text) {
  std::vector<Destination> all;
  for (const std::string_view each : members(text)) {
    const std::string_view member = trim(each);
    const std::optional<std::string> inside = unquoted(member);
    if (auto found = special(inside ? *inside : member)) {
      all.push_back(std::move(*found));
      continue;
    }
    const bool as_user = member.starts_with('\\');
    const auto kind =
        as_user ? Destination::Kind::user : Destination::Kind::address;
    for (std::string& address :
         mail::extract_addresses(as_user ? member.substr(1) : member))
      all.push_back({kind, std::move(address)});
  }
  return all;
}

std::vector<Destination> parse_list(std::string_view text) {
  std::vector<Destination> all;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('#')) continue;
    for (Destination& each : parse_destinations(line))
      all.push_back(std::move(each));
  }
  return all;
}

}  // namespace postern::local
