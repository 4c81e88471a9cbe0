#include "tools/queue_filter.h"

#include <fmt/format.h>
#include <regex.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::tools {
namespace {

using Json = nlohmann::json;

enum class Kind { text, size, time, number, flag };

struct Field {
  std::string_view name;
  Kind kind;
};
constexpr Field fields[] = {
    {"sender", Kind::text},        {"sender_domain", Kind::text},
    {"recipient", Kind::text},     {"domain", Kind::text},
    {"reason", Kind::text},        {"queue", Kind::text},
    {"id", Kind::text},            {"size", Kind::size},
    {"age", Kind::time},           {"next", Kind::time},
    {"recipients", Kind::number},  {"maildrop", Kind::flag},
    {"incoming", Kind::flag},      {"active", Kind::flag},
    {"deferred", Kind::flag},      {"hold", Kind::flag},
    {"expired", Kind::flag},
};

enum class Compare { equal, unequal, like, unlike, less, most, more, least };

// Nesting beyond this is nobody's wish.
constexpr int deepest = 50;

}  // namespace

struct QueueFilter::Node {
  enum class Kind { all, any, none, test } kind = Kind::test;
  std::vector<std::shared_ptr<const Node>> of;
  std::string_view field;
  tools::Kind type = tools::Kind::flag;
  Compare compare = Compare::equal;
  std::string text;
  std::int64_t number = 0;
  std::shared_ptr<regex_t> pattern;
};

namespace {

using Node = QueueFilter::Node;
using NodePtr = std::shared_ptr<const Node>;

// Letters to change, to leave out or to add.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1,
                         corner + (a[i - 1] == b[j - 1] ? 0 : 1)});
      corner = above;
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view word) {
  if (word.size() > 20) return "";
  const Field* best = nullptr;
  std::size_t least = 3;
  for (const Field& field : fields) {
    const std::size_t d = distance(word, field.name);
    if (d >= least) continue;
    least = d;
    best = &field;
  }
  return best == nullptr ? "" : fmt::format("; did you mean {}?", best->name);
}

// "*" any characters, "?" one; whatever the case.
bool glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() &&
               (pattern[p] == '?' || lower(pattern[p]) == lower(text[t]))) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr Unit time_units[] = {
    {"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
constexpr Unit size_units[] = {
    {"", 1}, {"k", 1024}, {"m", 1048576}, {"g", 1073741824}};

// "90", "2d", "1h30m" with the units that there are.
template <std::size_t N>
std::optional<std::int64_t> with_units(std::string_view text,
                                       const Unit (&units)[N]) {
  std::int64_t sum = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_not_of("0123456789"),
                                     text.size());
    const auto number = parse_number(text.substr(0, end));
    text.remove_prefix(end);
    const std::string unit = to_lower(std::string(
        text.substr(0, std::min(text.find_first_of("0123456789"),
                                text.size()))));
    text.remove_prefix(unit.size());
    if (!number || *number > 1'000'000'000'000) return std::nullopt;
    const Unit* found = nullptr;
    for (const Unit& each : units)
      if (each.name == unit) found = &each;
    if (found == nullptr) return std::nullopt;
    // 10^12 times a gigabyte would not fit.
    if (*number > std::numeric_limits<std::int64_t>::max() / 4 / found->factor)
      return std::nullopt;
    sum += *number * found->factor;
    if (sum > std::numeric_limits<std::int64_t>::max() / 2) return std::nullopt;
  }
  return sum;
}

class Parser {
 public:
  Parser(std::string_view text, FilterError& error)
      : text_(text), error_(error) {
    advance();
  }

  NodePtr whole() {
    NodePtr node = any(0);
    if (node && !failed_ && token_ != Token::end)
      return fail("\"and\", \"or\" or the end is expected");
    return failed_ ? nullptr : node;
  }

 private:
  enum class Token { word, quoted, sign, end };

  NodePtr fail(std::string what) { return fail(std::move(what), begin_); }
  NodePtr fail(std::string what, std::size_t at) {
    if (!failed_) error_ = {std::move(what), at};
    failed_ = true;
    return nullptr;
  }

  void advance() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    begin_ = at_;
    value_.clear();
    if (at_ == text_.size()) {
      token_ = Token::end;
      return;
    }
    const char c = text_[at_];
    if (c == '"' || c == '\'') return quoted(c);
    if (std::string_view("()=!~<>&|").find(c) != std::string_view::npos) {
      token_ = Token::sign;
      value_ = text_.substr(at_, 2);
      static constexpr std::string_view two[] = {"!=", "!~", "<=", ">=",
                                                 "==", "&&", "||"};
      if (std::find(std::begin(two), std::end(two), value_) == std::end(two))
        value_.resize(1);
      at_ += value_.size();
      return;
    }
    token_ = Token::word;
    while (at_ < text_.size() && !is_blank(text_[at_]) &&
           std::string_view("()=!~<>&|\"'").find(text_[at_]) ==
               std::string_view::npos)
      value_ += text_[at_++];
  }

  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

  void quoted(char quote) {
    token_ = Token::quoted;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == quote) {
        ++at_;
        return;
      }
      if (text_[at_] == '\\' && at_ + 1 < text_.size() &&
          (text_[at_ + 1] == quote || text_[at_ + 1] == '\\'))
        ++at_;
      value_ += text_[at_];
    }
    fail("the closing quote is missing");
  }

  bool is(Token kind, std::string_view a, std::string_view b = {}) const {
    if (token_ != kind) return false;
    return kind == Token::word
               ? equal_nocase(value_, a)
               : value_ == a || (!b.empty() && value_ == b);
  }
  bool is_and() const {
    return is(Token::word, "and") || is(Token::sign, "&&", "&");
  }
  bool is_or() const {
    return is(Token::word, "or") || is(Token::sign, "||", "|");
  }
  bool is_not() const {
    return is(Token::word, "not") || is(Token::sign, "!");
  }

  NodePtr joined(Node::Kind kind, std::vector<NodePtr> of) {
    if (failed_) return nullptr;
    if (of.size() == 1) return of.front();
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->of = std::move(of);
    return node;
  }

  NodePtr any(int depth) {
    std::vector<NodePtr> of{all(depth)};
    while (!failed_ && is_or()) {
      advance();
      of.push_back(all(depth));
    }
    return joined(Node::Kind::any, std::move(of));
  }

  NodePtr all(int depth) {
    std::vector<NodePtr> of{single(depth)};
    while (!failed_ && is_and()) {
      advance();
      of.push_back(single(depth));
    }
    return joined(Node::Kind::all, std::move(of));
  }

  NodePtr single(int depth) {
    if (failed_) return nullptr;
    if (depth > deepest) return fail("this is nested too deeply");
    if (is_not()) {
      advance();
      NodePtr of = single(depth + 1);
      if (!of) return nullptr;
      auto node = std::make_shared<Node>();
      node->kind = Node::Kind::none;
      node->of.push_back(std::move(of));
      return node;
    }
    if (is(Token::sign, "(")) {
      const std::size_t open = begin_;
      advance();
      NodePtr inner = any(depth + 1);
      if (!inner) return nullptr;
      if (!is(Token::sign, ")"))
        return fail("the parenthesis is not closed", open);
      advance();
      return inner;
    }
    return test();
  }

  NodePtr test() {
    if (token_ != Token::word)
      return fail(token_ == Token::end ? "a condition is missing"
                                       : "the name of a field is expected");
    const Field* field = nullptr;
    for (const Field& each : fields)
      if (equal_nocase(value_, each.name)) field = &each;
    if (field == nullptr)
      return fail(fmt::format("there is no field {}{}", printable(value_),
                              nearest(to_lower(value_))));
    auto node = std::make_shared<Node>();
    node->field = field->name;
    node->type = field->kind;
    advance();
    if (field->kind == Kind::flag) return failed_ ? nullptr : node;
    if (!compare(*node)) return nullptr;
    if (failed_) return nullptr;
    if (token_ != Token::word && token_ != Token::quoted)
      return fail(fmt::format("a value for {} is missing", field->name));
    if (!value(*node)) return nullptr;
    advance();
    return failed_ ? nullptr : node;
  }

  bool compare(Node& node) {
    static constexpr std::pair<std::string_view, Compare> signs[] = {
        {"=", Compare::equal},  {"==", Compare::equal},
        {"!=", Compare::unequal}, {"~", Compare::like},
        {"!~", Compare::unlike}, {"<", Compare::less},
        {"<=", Compare::most},  {">", Compare::more},
        {">=", Compare::least}};
    const bool text = node.type == Kind::text;
    if (token_ == Token::sign)
      for (const auto& [sign, meaning] : signs)
        if (value_ == sign) {
          const bool of_text =
              meaning == Compare::like || meaning == Compare::unlike;
          const bool both =
              meaning == Compare::equal || meaning == Compare::unequal;
          if (!both && of_text != text) break;
          node.compare = meaning;
          advance();
          return true;
        }
    fail(fmt::format("behind {} one of {} is expected", node.field,
                     text ? "= != ~ !~" : "= != < <= > >="));
    return false;
  }

  bool value(Node& node) {
    node.text = value_;
    std::optional<std::int64_t> number;
    switch (node.type) {
      case Kind::text: return pattern(node);
      case Kind::size: number = with_units(value_, size_units); break;
      case Kind::time: number = with_units(value_, time_units); break;
      default: number = parse_number(value_);
    }
    if (number) {
      node.number = *number;
      return true;
    }
    fail(node.type == Kind::size   ? "a size is expected: 500, 20k, 1m"
         : node.type == Kind::time ? "a time is expected: 90s, 30m, 2h, 5d, 1w"
                                   : "a number is expected");
    return false;
  }

  bool pattern(Node& node) {
    if (node.compare != Compare::like && node.compare != Compare::unlike)
      return true;
    if (value_.find('\0') != std::string::npos) {
      fail("a pattern cannot hold a zero byte");
      return false;
    }
    auto compiled = std::make_unique<regex_t>();
    const int error = ::regcomp(compiled.get(), value_.c_str(),
                                REG_EXTENDED | REG_ICASE | REG_NOSUB);
    if (error != 0) {
      char text[200];
      ::regerror(error, compiled.get(), text, sizeof text);
      fail(fmt::format("bad pattern: {}", text));
      return false;
    }
    node.pattern = std::shared_ptr<regex_t>(compiled.release(), [](regex_t* r) {
      ::regfree(r);
      delete r;
    });
    return true;
  }

  std::string_view text_;
  FilterError& error_;
  std::size_t at_ = 0;
  Token token_ = Token::end;
  std::size_t begin_ = 0;  // of the token
  std::string value_;
  bool failed_ = false;
};

std::string domain_of(const std::string& address) {
  return std::string(mail::split_address(address).domain);
}

std::vector<std::string> values_of(std::string_view field, const Queued& m) {
  if (field == "sender") {
    if (m.sender == "MAILER-DAEMON") return {m.sender, ""};
    return {m.sender};
  }
  if (field == "sender_domain") return {domain_of(m.sender)};
  if (field == "queue") return {m.queue};
  if (field == "id") return {m.id};
  std::vector<std::string> out;
  for (const Queued::Recipient& r : m.recipients) {
    if (field == "recipient") out.push_back(r.address);
    if (field == "domain") out.push_back(domain_of(r.address));
    if (field == "reason") out.push_back(r.reason);
  }
  return out;
}

std::optional<std::int64_t> number_of(std::string_view field, const Queued& m,
                                      std::int64_t now) {
  if (field == "size") return m.size;
  if (field == "age") return now - m.arrival;
  if (field == "recipients")
    return static_cast<std::int64_t>(m.recipients.size());
  // How long it still waits; what is not deferred does not.
  if (m.queue != "deferred") return std::nullopt;
  return std::max<std::int64_t>(m.next_attempt - now, 0);
}

bool number_fits(Compare compare, std::int64_t is, std::int64_t wanted) {
  switch (compare) {
    case Compare::equal: return is == wanted;
    case Compare::unequal: return is != wanted;
    case Compare::less: return is < wanted;
    case Compare::most: return is <= wanted;
    case Compare::more: return is > wanted;
    case Compare::least: return is >= wanted;
    default: return false;
  }
}

bool test(const Node& node, const Queued& m, std::int64_t now) {
  if (node.type == Kind::flag)
    return node.field == "expired" ? m.expired : m.queue == node.field;
  if (node.type != Kind::text) {
    const auto number = number_of(node.field, m, now);
    return number && number_fits(node.compare, *number, node.number);
  }
  const std::vector<std::string> values = values_of(node.field, m);
  const bool found = std::any_of(
      values.begin(), values.end(), [&](const std::string& value) {
        return node.pattern != nullptr
                   ? ::regexec(node.pattern.get(), value.c_str(), 0, nullptr,
                               0) == 0
                   : glob(node.text, value);
      });
  const bool wanted =
      node.compare == Compare::equal || node.compare == Compare::like;
  return found == wanted;
}

bool holds(const Node& node, const Queued& m, std::int64_t now) {
  const auto one = [&](const NodePtr& each) { return holds(*each, m, now); };
  switch (node.kind) {
    case Node::Kind::all: return std::all_of(node.of.begin(), node.of.end(), one);
    case Node::Kind::any: return std::any_of(node.of.begin(), node.of.end(), one);
    case Node::Kind::none: return !holds(*node.of.front(), m, now);
    case Node::Kind::test: break;
  }
  return test(node, m, now);
}

std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string()
             ? found->get<std::string>()
             : "";
}

std::int64_t integer_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer()
             ? found->get<std::int64_t>()
             : 0;
}

}  // namespace

std::optional<Queued> queued_from(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto recipients = json.find("recipients");
  if (recipients == json.end() || !recipients->is_array()) return std::nullopt;
  Queued out;
  out.queue = text_of(json, "queue_name");
  out.id = text_of(json, "queue_id");
  out.sender = text_of(json, "sender");
  out.arrival = integer_of(json, "arrival_time");
  out.size = integer_of(json, "message_size");
  out.next_attempt = integer_of(json, "next_attempt");
  const auto expired = json.find("forced_expire");
  out.expired = expired != json.end() && *expired == true;
  for (const Json& recipient : *recipients) {
    if (!recipient.is_object()) return std::nullopt;
    out.recipients.push_back(
        {text_of(recipient, "address"), text_of(recipient, "delay_reason")});
  }
  return out;
}

Queued queued_from(const queue::Stored& m, const queue::Results& results) {
  Queued out;
  out.queue = queue::name_of(m.box);
  out.id = m.id;
  out.sender = m.envelope.sender.empty()
                   ? "MAILER-DAEMON"
                   : mail::quote_local_822(m.envelope.sender);
  out.arrival = m.envelope.arrival / 1000000;
  out.size = m.layout.content_size;
  out.next_attempt = m.modified;
  out.expired = m.force_expired;
  std::vector<const std::string*> reasons(m.envelope.recipients.size());
  for (const queue::Attempt& a : results.attempts)
    for (std::int64_t i = std::max<std::int64_t>(a.index, 0);
         i <= std::max(a.index, a.last) &&
         i < static_cast<std::int64_t>(reasons.size());
         ++i)
      reasons[static_cast<std::size_t>(i)] = &a.text;
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    const queue::Recipient& r = m.envelope.recipients[i];
    if (r.done) continue;
    out.recipients.push_back({mail::quote_local_822(r.address),
                              reasons[i] != nullptr ? *reasons[i] : ""});
  }
  return out;
}

std::string shown(std::string_view expression, const FilterError& error) {
  std::string line;
  for (const char c : expression) line += c == '\n' || c == '\t' ? ' ' : c;
  // Columns, not bytes.
  std::size_t columns = 0;
  for (const char c : std::string_view(line).substr(
           0, std::min(error.at, line.size())))
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++columns;
  return "  " + printable_utf8(line) + "\n  " + std::string(columns, ' ') +
         "^\n";
}

std::optional<QueueFilter> QueueFilter::parse(std::string_view expression,
                                              FilterError& error) {
  QueueFilter out;
  out.root_ = Parser(expression, error).whole();
  if (!out.root_) return std::nullopt;
  return out;
}

bool QueueFilter::matches(const Queued& message, std::int64_t now) const {
  return holds(*root_, message, now);
}

QueueFilter filter_or_die(const Tool& tool, std::string_view expression) {
  FilterError error;
  std::optional<QueueFilter> filter = QueueFilter::parse(expression, error);
  if (filter) return std::move(*filter);
  std::fputs(shown(expression, error).c_str(), stderr);
  tool.fatal("--where: " + error.text);
}

}  // namespace postern::tools
