#include "common/tables/braces.h"

#include "common/base/text.h"

namespace postern::tables {
namespace {

// The position after the brace that closes the one at the start; npos when
// none does.
std::size_t end_of_brace(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i + 1;
  }
  return std::string_view::npos;
}

}  // namespace

std::optional<std::vector<std::string>> braced_list(std::string_view text) {
  if (text.empty() || text.front() != '{' || end_of_brace(text) != text.size())
    return std::nullopt;
  auto pieces = split_braced(text.substr(1, text.size() - 2));
  if (!pieces || pieces->empty()) return std::nullopt;
  return pieces;
}

Result<std::string> unbrace(std::string_view text) {
  const std::string shown(text);
  if (text.empty() || text.front() != '{')
    return try_later("3.5", "no '{' at start of text in \"" + shown + "\"");
  const std::size_t end = end_of_brace(text);
  if (end == std::string_view::npos)
    return try_later("3.5", "missing '}' in \"" + shown + "\"");
  if (!trim(text.substr(end)).empty())
    return try_later("3.5", "syntax error after '}' in \"" + shown + "\"");
  return std::string(trim(text.substr(1, end - 2)));
}

Result<std::pair<std::string, std::string>> split_name_value(
    std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    return try_later("3.5", "missing '=' after attribute name");
  const std::string_view name = trim(text.substr(0, equals));
  if (name.empty()) return try_later("3.5", "missing attribute name");
  return std::pair{std::string(name),
                   std::string(trim(text.substr(equals + 1)))};
}

Result<std::string> braced_rules(std::string_view text,
                                 std::string_view title) {
  const auto problem = [&](std::string_view what) {
    return try_later("3.5", std::string(title) + ": " + std::string(what));
  };
  const Result<std::string> inside = unbrace(text);
  if (!inside) return problem(inside.trouble().text);
  const auto pieces = split_braced(*inside);
  if (!pieces)
    return problem("missing '}' in \"" + std::string(*inside) + "\"");
  std::string lines;
  for (const std::string& piece : *pieces) {
    Result<std::string> rule = unbrace(piece);
    if (!rule) return problem(rule.trouble().text);
    lines += *rule + "\n";
  }
  return lines;
}

}  // namespace postern::tables
