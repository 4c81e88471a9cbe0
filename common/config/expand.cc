#include "common/config/expand.h"

#include <array>
#include <charconv>
#include <compare>

#include "common/base/text.h"

namespace postern::config {
namespace {

constexpr int deepest = 100;
constexpr std::size_t largest = 16u << 20;
constexpr int most_references = 1'000'000;

Trouble trouble(std::string text) { return give_up("3.5", std::move(text)); }

bool name_char(char c) { return is_alnum(c) || c == '_'; }

bool all_digits(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text)
    if (!is_digit(c)) return false;
  return true;
}

// Digits as a number: by length, then as text (leading zeros do not count).
int compare_numbers(std::string_view a, std::string_view b) {
  while (a.size() > 1 && a.front() == '0') a.remove_prefix(1);
  while (b.size() > 1 && b.front() == '0') b.remove_prefix(1);
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b);
}

int compare_operands(std::string_view a, std::string_view b) {
  return all_digits(a) && all_digits(b) ? compare_numbers(a, b) : a.compare(b);
}

using Level = std::array<unsigned, 3>;

std::optional<Level> parse_level(std::string_view text) {
  Level level{};
  for (std::size_t i = 0; i < level.size(); ++i) {
    auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), level[i]);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty()) return level;
    if (text.front() != '.') return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

enum class Operator { equal, unequal, less, at_most, at_least, greater };

bool holds(Operator op, int order) {
  switch (op) {
    case Operator::equal: return order == 0;
    case Operator::unequal: return order != 0;
    case Operator::less: return order < 0;
    case Operator::at_most: return order <= 0;
    case Operator::at_least: return order >= 0;
    case Operator::greater: return order > 0;
  }
  return false;
}

// What stands between the braces of one ${…}, read from left to right.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text), rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  std::string_view rest() const { return rest_; }
  void skip(std::size_t count) { rest_.remove_prefix(count); }
  void skip_blanks() {
    while (!rest_.empty() && is_space(rest_.front())) skip(1);
  }
  bool accept(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    skip(token.size());
    return true;
  }
  std::string_view name() {
    std::size_t size = 0;
    while (size < rest_.size() && name_char(rest_[size])) ++size;
    return take(size);
  }
  // Text in braces, which are taken off; nullopt when there are none.
  std::optional<std::string_view> braced() {
    if (peek() != '{') return std::nullopt;
    int level = 0;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '{') ++level;
      if (rest_[i] == '}' && --level == 0) {
        std::string_view all = take(i + 1);
        return all.substr(1, all.size() - 2);
      }
    }
    return std::nullopt;
  }
  std::string_view take(std::size_t size) {
    std::string_view taken = rest_.substr(0, size);
    skip(size);
    return taken;
  }

  // The place in the text where reading stopped, for a message.
  Trouble at(std::string_view what) const {
    constexpr std::size_t most = 15;
    std::size_t read = text_.size() - rest_.size();
    std::size_t from = read > most ? read - most : 0;
    return trouble(std::string(what) + " at: \"..." +
                   std::string(text_.substr(from, read - from)) + ">>>" +
                   std::string(rest_.substr(0, 2 * most)) + "\"");
  }

 private:
  std::string_view text_;
  std::string_view rest_;
};

class Expansion {
 public:
  explicit Expansion(const Names& names) : names_(names) {}

  // Appends the expansion of `text` to `out`.
  Status text(std::string_view text, int depth, std::string& out) {
    for (std::size_t i = 0; i < text.size();) {
      if (text[i] != '$') {
        std::size_t end = std::min(text.find('$', i), text.size());
        out.append(text, i, end - i);
        i = end;
        continue;
      }
      if (++i < text.size() && text[i] == '$') {
        out += text[i++];
        continue;
      }
      Status status = one_reference(text, i, depth, out);
      if (!status) return status;
    }
    if (out.size() > largest) return trouble("the expanded value is too long");
    return {};
  }

 private:
  // `i` stands behind a dollar, and then behind the reference.
  Status one_reference(std::string_view text, std::size_t& i, int depth,
                       std::string& out) {
    std::string_view body;
    if (i < text.size() && (text[i] == '{' || text[i] == '(')) {
      std::size_t end = closing(text, i);
      if (end == std::string_view::npos)
        return trouble("truncated macro reference: \"" +
                       std::string(text.substr(i - 1)) + "\"");
      body = text.substr(i + 1, end - i - 1);
      i = end + 1;
    } else {
      std::size_t end = i;
      while (end < text.size() && name_char(text[end])) ++end;
      body = text.substr(i, end - i);
      i = end;
    }
    if (body.empty())
      return trouble("empty macro name: \"" + std::string(text) + "\"");
    return reference(body, depth + 1, out);
  }

  static std::size_t closing(std::string_view text, std::size_t from) {
    char open = text[from];
    char close = open == '{' ? '}' : ')';
    int level = 0;
    for (std::size_t i = from; i < text.size(); ++i) {
      if (text[i] == open) ++level;
      if (text[i] == close && --level == 0) return i;
    }
    return std::string_view::npos;
  }

  Status reference(std::string_view body, int depth, std::string& out) {
    if (depth > deepest)
      return trouble("unreasonable macro call nesting: \"" +
                     std::string(body) + "\"");
    if (++references_ > most_references)
      return trouble("too many macro references: \"" + std::string(body) +
                     "\"");
    Reader reader(body);
    reader.skip_blanks();
    if (reader.peek() == '{') return relation(reader, depth, out);
    return name(reader, depth, out);
  }

  Status name(Reader& reader, int depth, std::string& out) {
    std::string_view name = reader.name();
    reader.skip_blanks();
    if (!reader.at_end() && reader.peek() != '?' && reader.peek() != ':')
      return reader.at("attribute name syntax error");
    std::optional<std::string> value = names_.find(name);
    if (!reader.at_end())
      return choice(reader, value && !value->empty(), depth, out);
    if (!value) {
      names_.undefined(name);
      return {};
    }
    return text(*value, depth, out);
  }

  Status relation(Reader& reader, int depth, std::string& out) {
    std::string left, right;
    Status status = operand(reader, depth, left);
    if (!status) return status;
    reader.skip_blanks();
    std::optional<Operator> op = relational(reader);
    if (!op)
      return reader.at(
          "\"==\" or \"!=\" or \"<\" or \"<=\" or \">=\" or \">\" expected");
    std::string_view suffix = reader.name();
    if (!suffix.empty() && suffix != "level")
      return reader.at("bad operator suffix");
    reader.skip_blanks();
    status = operand(reader, depth, right);
    if (!status) return status;
    Result<int> order = suffix.empty()
                            ? Result<int>(compare_operands(left, right))
                            : compare_levels(left, right);
    if (!order) return order.trouble();
    bool truth = holds(*op, *order);
    reader.skip_blanks();
    if (reader.at_end()) {
      if (truth) out += "true";
      return {};
    }
    if (reader.peek() != '?' && reader.peek() != ':')
      return reader.at("\"?\" or \":\" expected");
    return choice(reader, truth, depth, out);
  }

  Status operand(Reader& reader, int depth, std::string& out) {
    std::optional<std::string_view> braced = reader.braced();
    if (!braced) return reader.at("\"{expression}\" expected");
    return text(*braced, depth, out);
  }

  static std::optional<Operator> relational(Reader& reader) {
    if (reader.accept("==")) return Operator::equal;
    if (reader.accept("!=")) return Operator::unequal;
    if (reader.accept("<=")) return Operator::at_most;
    if (reader.accept(">=")) return Operator::at_least;
    if (reader.accept("<")) return Operator::less;
    if (reader.accept(">")) return Operator::greater;
    return std::nullopt;
  }

  // `? this`, `: that`, `? {this} : {that}`, `? {this} : that`.
  Status choice(Reader& reader, bool truth, int depth, std::string& out) {
    std::optional<std::string_view> if_true, if_false;
    if (reader.accept("?")) {
      if_true = branch(reader);
      if (!if_true) return reader.at("\"}\" expected");
      reader.skip_blanks();
      if (!reader.at_end() && reader.peek() != ':')
        return reader.at("\":\" expected");
    }
    if (reader.accept(":")) {
      if_false = branch(reader);
      if (!if_false) return reader.at("\"}\" expected");
      reader.skip_blanks();
      if (!reader.at_end()) return reader.at("unexpected input");
    }
    const auto& chosen = truth ? if_true : if_false;
    return chosen ? text(*chosen, depth, out) : Status();
  }

  // Text in braces, or all that is left.
  static std::optional<std::string_view> branch(Reader& reader) {
    std::string_view rest = trim_left(reader.rest());
    if (rest.starts_with('{')) {
      reader.skip_blanks();
      return reader.braced();
    }
    return reader.take(reader.rest().size());
  }

  const Names& names_;
  int references_ = 0;
};

}  // namespace

Result<std::string> expand(std::string_view text, const Names& names) {
  std::string out;
  Status status = Expansion(names).text(text, 0, out);
  if (!status) return status.trouble();
  return out;
}

Result<int> compare_levels(std::string_view a, std::string_view b) {
  std::optional<Level> left = parse_level(a);
  std::optional<Level> right = parse_level(b);
  if (!left || !right)
    return trouble("malformed compatibility level syntax: \"" +
                   std::string(left ? b : a) + "\"");
  return *left < *right ? -1 : *left > *right ? 1 : 0;
}

}  // namespace postern::config
