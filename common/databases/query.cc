#include "common/databases/query.h"

#include "common/base/text.h"

namespace postern::databases {

Parts::Parts(std::string_view text) : whole(text), user(text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return;
  has_at = true;
  user = text.substr(0, at);
  domain = text.substr(at + 1);
  const std::vector<std::string> forward = split(domain, '.');
  labels.assign(forward.rbegin(), forward.rend());
}

Result<Template> Template::parse(std::string_view text,
                                 std::string_view kind) {
  const auto wrong = [&](const std::string& why) {
    return give_up("3.5", "invalid " + std::string(kind) + " template: " +
                              std::string(text) + ": " + why);
  };
  Template result;
  std::string literal;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      literal += text[i];
      continue;
    }
    if (++i == text.size()) return wrong("it ends with a single '%'");
    const char letter = text[i];
    if (letter == '%') {
      literal += '%';
    } else if (std::string_view("sudSUD").find(letter) !=
                   std::string_view::npos ||
               (letter >= '1' && letter <= '9')) {
      result.pieces_.push_back({std::move(literal), letter});
      literal.clear();
    } else {
      return wrong("there is no '%" + std::string(1, letter) +
                   "'; write %% for a percent sign");
    }
  }
  if (!literal.empty()) result.pieces_.push_back({std::move(literal), '\0'});
  return result;
}

bool Template::constant() const {
  for (const Piece& piece : pieces_)
    if (piece.letter != '\0') return false;
  return true;
}

bool Template::has(const Parts& parts, char letter) {
  if (is_digit(letter)) {
    const auto number = static_cast<std::size_t>(letter - '0');
    return parts.has_at && parts.labels.size() >= number;
  }
  if (lower(letter) == 'u') return !parts.user.empty();
  if (lower(letter) == 'd') return parts.has_at && !parts.domain.empty();
  return true;
}

const std::string& Template::take(const Parts& parts, char letter) {
  if (is_digit(letter))
    return parts.labels[static_cast<std::size_t>(letter - '1')];
  if (lower(letter) == 'u') return parts.user;
  if (lower(letter) == 'd') return parts.domain;
  return parts.whole;
}

bool Template::fits_as_query(const Parts& key) const {
  for (const Piece& piece : pieces_)
    if (piece.letter != '\0' && !has(key, piece.letter)) return false;
  return true;
}

std::string Template::query(const Parts& key, const Quote& quote) const {
  std::string text;
  for (const Piece& piece : pieces_) {
    text += piece.text;
    if (piece.letter == '\0') continue;
    const std::string& part = take(key, piece.letter);
    text += quote ? quote(part) : part;
  }
  return text;
}

namespace {

bool of_value(char letter) {
  return letter == 's' || letter == 'u' || letter == 'd';
}

}  // namespace

bool Template::fits_as_result(const Parts& key) const {
  for (const Piece& piece : pieces_)
    if (piece.letter != '\0' && !of_value(piece.letter) &&
        !has(key, piece.letter))
      return false;
  return true;
}

bool Template::result(const Parts& key, std::string_view value,
                      std::string& out) const {
  if (value.empty()) return false;
  const Parts parts(value);
  std::string text;
  for (const Piece& piece : pieces_) {
    text += piece.text;
    if (piece.letter == '\0') continue;
    const Parts& from = of_value(piece.letter) ? parts : key;
    if (!has(from, piece.letter)) return false;
    text += take(from, piece.letter);
  }
  out += text;
  return true;
}

void read_template(Settings& settings, std::string_view name,
                   const std::string& text, std::string_view kind,
                   Template& out) {
  Result<Template> parsed = Template::parse(text, kind);
  if (parsed)
    out = std::move(*parsed);
  else
    settings.refuse(name, parsed.trouble().text);
}

void Plan::read(Settings& settings, const tables::OpenOptions& options,
                std::string_view old_name) {
  const bool old = !old_name.empty() && !settings.has("result_format");
  const std::string_view name = old ? old_name : "result_format";
  read_template(settings, name, settings.text(name, "%s", 1), "result", result);
  expansion_limit = settings.number("expansion_limit", 0);
  tables::MatchOptions match;
  match.kind = tables::MatchOptions::Kind::strings;
  match.title = settings.title() + ": domain";
  match.tables = options;
  const std::string list = settings.text("domain", "");
  if (list.empty()) return;
  domains = tables::MatchList::parse(list, match);
  for (const std::string& problem : domains.problems())
    settings.refuse("domain", problem);
  domains.open_tables();
}

Result<bool> Plan::concerns(const Parts& key) {
  if (!result.fits_as_result(key)) return false;
  if (domains.empty()) return true;
  if (!key.has_at || key.user.empty()) return false;
  return domains.matches(key.domain);
}

bool Answer::add(std::string_view value) {
  std::string one;
  if (!plan_.result.result(key_, value, one)) return true;
  if (plan_.expansion_limit > 0 && ++count_ > plan_.expansion_limit) {
    too_many_ = true;
    return false;
  }
  if (!text_.empty()) text_ += ',';
  text_ += one;
  return true;
}

tables::Found Answer::found(const std::string& table) const {
  if (too_many_)
    return try_later("3.0", "table " + table +
                                ": query error: Expansion limit exceeded for "
                                "key: '" +
                                printable_utf8(key_.whole) + "'");
  if (text_.empty()) return std::optional<std::string>();
  return std::optional(text_);
}

}  // namespace postern::databases
