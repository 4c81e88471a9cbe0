// See tokens.h. The text is cut into tokens from the left (Scanner), and these
// are grouped from the right (Grouping): what is left of a bracket is a name
// or an address only according to what follows it.
#include "common/mail/tokens.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::mail {
namespace {

using Kind = Token::Kind;

constexpr std::string_view operations = "<>@,;:.!%)]";
constexpr std::size_t fold_width = 70;

class Scanner {
 public:
  Scanner(std::string_view text, std::size_t limit)
      : text_(text), limit_(limit) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    for (skip_blanks(); at_ < text_.size() && tokens.size() < limit_;
         skip_blanks())
      tokens.push_back(next());
    return tokens;
  }
  std::string_view rest() const { return text_.substr(at_); }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  Token next() {
    const char c = text_[at_];
    if (c == '(') return comment();
    if (c == '"') return quoted();
    if (c == '[') return literal();
    if (operations.find(c) != std::string_view::npos) {
      ++at_;
      return {Kind::operation, std::string(1, c)};
    }
    return word();
  }

  Token comment() {
    Token token{Kind::comment, {}};
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '\n' || c == '\r') continue;
      token.text += c;
      if (c == '\\' && at_ < text_.size())
        token.text += text_[at_++];
      else if (c == '(')
        ++depth;
      else if (c == ')' && --depth == 0)
        return token;
    }
    token.text.append(static_cast<std::size_t>(depth), ')');
    return token;
  }

  Token quoted() {
    Token token{Kind::quoted, {}};
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        break;
      }
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      if (text_[at_] != '\n' && text_[at_] != '\r') token.text += text_[at_];
    }
    return token;
  }

  Token literal() {
    Token token{Kind::literal, "["};
    for (++at_; at_ < text_.size() && text_[at_] != ']'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      if (text_[at_] != '\n' && text_[at_] != '\r') token.text += text_[at_];
    }
    if (at_ < text_.size()) ++at_;
    token.text += ']';
    return token;
  }

  Token word() {
    Token token{Kind::word, {}};
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (is_space(c) || c == '(' || c == '"' || c == '[' ||
          operations.find(c) != std::string_view::npos)
        break;
      if (c == '\\' && at_ + 1 < text_.size()) ++at_;
      token.text += text_[at_];
    }
    return token;
  }

  std::string_view text_;
  std::size_t limit_;
  std::size_t at_ = 0;
};

bool is_word(const Token& token) {
  return token.kind == Kind::word || token.kind == Kind::quoted ||
         token.kind == Kind::literal;
}

// Works through the tokens from the right and collects the result in reverse.
class Grouping {
 public:
  explicit Grouping(std::vector<Token> tokens) : left_(std::move(tokens)) {}

  std::vector<Token> run() {
    while (!left_.empty()) step(pop());
    end_address(false);
    std::reverse(out_.begin(), out_.end());
    return std::move(out_);
  }

 private:
  Token pop() {
    Token token = std::move(left_.back());
    left_.pop_back();
    return token;
  }

  void step(Token token) {
    if (token.kind == Kind::comment) {
      out_.push_back(std::move(token));
    } else if (token.is(',')) {
      end_address(false);
      out_.push_back(std::move(token));
    } else if (token.is(';')) {
      end_address(true);
      out_.push_back(std::move(token));
      in_group_ = true;
    } else if (token.is(':') && in_group_) {
      end_address(false);
      out_.push_back({Kind::group_start, ":"});
      in_group_ = false;
      keep_until(",;");
    } else if (token.is('>')) {
      end_address(true);
      bracketed(std::move(token));
    } else {
      part(std::move(token));
    }
  }

  // A word or an operator of an address without brackets.
  void part(Token token) {
    if (is_word(token) && !address_.empty() && is_word(address_.back()))
      end_address(true);
    address_.push_back(std::move(token));
  }

  // <address>, and the name in front of it.
  void bracketed(Token close) {
    out_.push_back(std::move(close));
    while (!left_.empty() && !left_.back().is('<')) {
      Token token = pop();
      if (token.kind == Kind::comment)
        out_.push_back(std::move(token));
      else
        address_.push_back(std::move(token));
    }
    end_address(false);
    if (left_.empty()) return;
    out_.push_back(pop());
    // A colon begins a group, or is part of a careless name ("Re: x <a@b>").
    keep_until(in_group_ ? ">;,:" : ">;,");
  }

  // Leaves the tokens as they are, down to one of these operators.
  void keep_until(std::string_view stops) {
    while (!left_.empty() &&
           !(left_.back().kind == Kind::operation &&
             stops.find(left_.back().text[0]) != std::string_view::npos))
      out_.push_back(pop());
  }

  // What was collected becomes one address; where another piece follows
  // without a comma, `separate` adds it.
  void end_address(bool separate) {
    if (address_.empty()) return;
    Token whole{Kind::address, {}};
    for (auto part = address_.rbegin(); part != address_.rend(); ++part)
      whole.text += part->is(',') ? ", " : part->text;
    out_.push_back(std::move(whole));
    if (separate) out_.push_back({Kind::operation, ","});
    address_.clear();
  }

  std::vector<Token> left_;
  std::vector<Token> out_;      // reversed
  std::vector<Token> address_;  // reversed
  bool in_group_ = false;
};

bool is_spaced(const Token& token) {
  return is_word(token) || token.kind == Kind::comment ||
         token.kind == Kind::address;
}

bool needs_space(const Token& before, const Token& token) {
  if (token.is('<')) return !before.is(',') && before.kind != Kind::group_start;
  if (before.is(';')) return is_word(token);
  return is_spaced(before) && is_spaced(token);
}

std::string with_backslashes(std::string_view text,
                             std::string_view characters) {
  std::string escaped;
  for (const char c : text) {
    if (characters.find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string external(const Token& token, bool in_brackets) {
  switch (token.kind) {
    case Kind::word:
      return with_backslashes(token.text, "\\\"()[]<>@,;: ");
    case Kind::quoted:
      return '"' + with_backslashes(token.text, "\\\"") + '"';
    case Kind::group_start:
      return ": ";
    case Kind::address:
      if (token.text.empty() && !in_brackets) return "\"\"";
      return quote_local_822(token.text);
    case Kind::operation:
      return token.is(',') ? ", " : token.text;
    case Kind::literal:
    case Kind::comment:
      break;
  }
  return token.text;
}

}  // namespace

AddressList::AddressList(std::string_view value, std::size_t token_limit) {
  Scanner scanner(value, token_limit);
  std::vector<Token> tokens = scanner.run();
  rest_ = trim(scanner.rest());
  tokens_ = Grouping(std::move(tokens)).run();
}

std::vector<std::string> AddressList::addresses() const {
  std::vector<std::string> found;
  for (const Token& token : tokens_)
    if (token.kind == Kind::address && !token.text.empty())
      found.push_back(token.text);
  return found;
}

std::size_t AddressList::address_count() const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < tokens_.size(); ++i)
    count += tokens_[i].kind == Kind::address ||
             (tokens_[i].is('<') && i + 1 < tokens_.size() &&
              tokens_[i + 1].is('>'));
  return count;
}

std::size_t AddressList::other_count() const {
  std::size_t count = rest_.empty() ? 0 : 1;
  for (const Token& token : tokens_)
    count += token.kind != Kind::address && !token.is('<') && !token.is('>');
  return count;
}

bool AddressList::rewrite(
    const std::function<std::string(const std::string&)>& fn) {
  bool changed = false;
  for (Token& token : tokens_) {
    if (token.kind != Kind::address || token.text.empty()) continue;
    std::string after = fn(token.text);
    if (after == token.text) continue;
    token.text = std::move(after);
    changed = true;
  }
  return changed;
}

std::vector<std::string> AddressList::pieces() const {
  std::vector<std::string> pieces;
  std::string piece;
  const Token* before = nullptr;
  for (const Token& token : tokens_) {
    if (before && needs_space(*before, token)) piece += ' ';
    piece += external(token, before && before->is('<'));
    if (token.is(',')) {
      pieces.push_back(std::move(piece));
      piece.clear();
    }
    before = &token;
  }
  if (!piece.empty()) pieces.push_back(std::move(piece));
  return pieces;
}

std::string AddressList::to_text() const {
  std::string text = join(pieces(), "");
  if (!rest_.empty()) text.append(" ").append(rest_);
  return std::string(trim_right(text));
}

std::string AddressList::to_header_text(std::string_view header_name) const {
  std::string text(header_name);
  text += ": ";
  std::size_t width = text.size();
  bool first = true;
  for (const std::string& piece : pieces()) {
    const std::string_view words = trim_right(piece);
    if (!first && width + 1 + words.size() < fold_width) {
      text += ' ';
      ++width;
    } else if (!first) {
      text += "\n\t";
      width = 0;
    }
    text += words;
    width += words.size();
    first = false;
  }
  if (!rest_.empty()) text.append("\n\t").append(rest_);
  return text;
}

std::vector<std::string> extract_addresses(std::string_view value) {
  return AddressList(value, std::string_view::npos).addresses();
}

std::optional<std::string> rewrite_header_addresses(
    std::string_view header, std::size_t name_length,
    const std::function<std::string(const std::string&)>& fn,
    std::size_t token_limit) {
  const std::size_t colon = header.find(':', name_length);
  if (colon == std::string_view::npos) return std::nullopt;
  AddressList list(header.substr(colon + 1), token_limit);
  if (!list.rewrite(fn)) return std::nullopt;
  return list.to_header_text(header.substr(0, name_length));
}

}  // namespace postern::mail
