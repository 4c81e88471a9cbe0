#include "common/tables/replacement.h"

#include <algorithm>

#include "common/base/text.h"

namespace postern::tables {
namespace {

constexpr unsigned most_groups = 65535;

bool name_character(char c) { return is_alnum(c) || c == '_'; }

// The name after "$" at the start of `text`, and how much of the text it took.
struct Reference {
  std::string name;
  std::size_t length = 0;
  std::string complaint;
};

Reference read_reference(std::string_view text) {
  const char open = text.size() > 1 ? text[1] : '\0';
  if (open == '{' || open == '(') {
    const std::size_t close = text.find(open == '{' ? '}' : ')');
    if (close == std::string_view::npos)
      return {"", text.size(),
              "truncated macro reference: \"" + std::string(text) + "\""};
    return {std::string(text.substr(2, close - 2)), close + 1, ""};
  }
  std::size_t end = 1;
  while (end < text.size() && name_character(text[end])) ++end;
  return {std::string(text.substr(1, end - 1)), end, ""};
}

}  // namespace

Result<Replacement> Replacement::parse(std::string_view text) {
  Replacement result;
  std::string literal;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      literal += text[i++];
      continue;
    }
    if (text.substr(i).starts_with("$$")) {
      literal += '$';
      i += 2;
      continue;
    }
    const Reference reference = read_reference(text.substr(i));
    if (!reference.complaint.empty())
      return give_up("3.5", reference.complaint);
    if (reference.name.empty())
      return give_up(
          "3.5", "empty macro name: \"" + std::string(text.substr(i)) + "\"");
    const auto number = parse_number(reference.name);
    if (!number || *number < 0)
      return give_up(
          "3.5", "non-numeric replacement index \"" + reference.name + "\"");
    if (*number == 0 || *number > most_groups)
      return give_up(
          "3.5", "out of range replacement index \"" + reference.name + "\"");
    const auto group = static_cast<unsigned>(*number);
    result.highest_ = std::max(result.highest_, group);
    result.pieces_.push_back({std::move(literal), group});
    literal.clear();
    i += reference.length;
  }
  if (!literal.empty()) result.pieces_.push_back({std::move(literal), 0});
  return result;
}

std::string Replacement::fill(std::string_view subject,
                              const std::vector<Capture>& captures) const {
  std::string filled;
  for (const Piece& piece : pieces_) {
    filled += piece.text;
    if (piece.group == 0 || piece.group >= captures.size()) continue;
    const Capture& capture = captures[piece.group];
    if (capture.begin == std::string_view::npos || capture.end < capture.begin)
      continue;
    filled += subject.substr(capture.begin, capture.end - capture.begin);
  }
  return filled;
}

}  // namespace postern::tables
