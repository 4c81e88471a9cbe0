#include "common/tables/alias_file.h"

#include <vector>

#include "common/base/text.h"

namespace postern::tables {
namespace {

constexpr std::string_view specials = "<>@,;:.";

struct Token {
  enum class Type { word, quoted, comment, literal, special };
  Type type = Type::word;
  std::string text;  // without quotes and escapes; comments as written
};

// RFC 5322 lexical tokens, read leniently: nothing is refused, what is not
// closed ends with the text.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> tokens() {
    std::vector<Token> all;
    while (skip_space()) all.push_back(one());
    return all;
  }

 private:
  bool skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    return at_ < text_.size();
  }

  Token one() {
    const char c = text_[at_];
    if (c == '"') return {Token::Type::quoted, until('"')};
    if (c == '[') return {Token::Type::literal, "[" + until(']') + "]"};
    if (c == '(') return {Token::Type::comment, comment()};
    if (specials.find(c) != std::string_view::npos) {
      ++at_;
      return {Token::Type::special, std::string(1, c)};
    }
    return {Token::Type::word, word()};
  }

  char take_escaped() {
    if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
    return text_[at_++];
  }

  std::string until(char close) {
    std::string inside;
    ++at_;
    while (at_ < text_.size() && text_[at_] != close) inside += take_escaped();
    if (at_ < text_.size()) ++at_;
    return inside;
  }

  std::string comment() {
    std::string all;
    int depth = 0;
    while (at_ < text_.size()) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size())
        all += text_[at_++];
      else if (text_[at_] == '(')
        ++depth;
      else if (text_[at_] == ')')
        --depth;
      all += text_[at_++];
      if (depth == 0) break;
    }
    return all;
  }

  std::string word() {
    std::string all;
    while (at_ < text_.size() && !is_space(text_[at_]) &&
           std::string_view("\"([").find(text_[at_]) ==
               std::string_view::npos &&
           specials.find(text_[at_]) == std::string_view::npos)
      all += take_escaped();
    return all;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool needs_quotes(std::string_view word) {
  for (const char c : word)
    if (is_space(c) || c == '"' || c == '\\' || c == '(' || c == ')' ||
        c == '[' || c == ']' || specials.find(c) != std::string_view::npos)
      return true;
  return word.empty();
}

std::string with_quotes(std::string_view word) {
  std::string text = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

// `quote`: words that need it get their quotes back.
std::string written(const Token* first, const Token* last, bool quote) {
  std::string text;
  bool after_word = false;
  for (const Token* token = first; token != last; ++token) {
    const bool special = token->type == Token::Type::special;
    if (after_word && (!special || token->text == "<")) text += ' ';
    if (token->type == Token::Type::quoted ||
        (token->type == Token::Type::word && needs_quotes(token->text)))
      text += quote ? with_quotes(token->text) : token->text;
    else
      text += token->text;
    if (token->text == "," && special) text += ' ';
    after_word = !special || token->text == ">";
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

SourceLine complaint(std::string text) {
  return {std::nullopt, std::move(text)};
}

}  // namespace

SourceLine parse_alias(std::string_view line) {
  const std::string need_pair = "need name:value pair";
  const std::vector<Token> tokens = Lexer(line).tokens();
  const Token* const first = tokens.data();
  const Token* const last = first + tokens.size();
  const Token* colon = first;
  for (; colon != last; ++colon) {
    if (colon->type != Token::Type::special) continue;
    if (colon->text == ":") break;
    if (colon->text == ",") return complaint(need_pair);
  }
  if (colon == last || colon == first || colon + 1 == last)
    return complaint(need_pair);
  for (const Token* token = first; token != colon; ++token)
    if (token->type == Token::Type::special && token->text == "@")
      return complaint("name must be local");
  Entry entry{written(first, colon, false), written(colon + 1, last, true)};
  if (entry.key.empty()) return complaint(need_pair);
  return {std::move(entry), ""};
}

bool looks_like_aliases(std::string_view text) {
  LogicalLines lines(text);
  const auto line = lines.next();
  if (!line) return false;
  const SourceLine plain = parse_entry(*line);
  return plain.entry && plain.entry->key.ends_with(':');
}

}  // namespace postern::tables
