#include "common/mail/check_action.h"

#include "common/base/text.h"
#include "common/mail/header.h"

namespace postern::mail {
namespace {

struct Row {
  std::string_view name;
  CheckAction action;
  std::string_view log;
  bool while_sending;  // also possible then
};

using Action = CheckAction;

constexpr Row rows[] = {
    {"BCC", Action::bcc, "bcc", false},
    {"DISCARD", Action::discard, "discard", false},
    {"DUNNO", Action::dunno, "", true},
    {"FILTER", Action::filter, "filter", false},
    {"HOLD", Action::hold, "hold", false},
    {"IGNORE", Action::ignore, "", true},
    {"INFO", Action::info, "info", true},
    {"OK", Action::dunno, "", true},
    {"PASS", Action::pass, "pass", false},
    {"PREPEND", Action::prepend, "prepend", true},
    {"REDIRECT", Action::redirect, "redirect", false},
    {"REJECT", Action::reject, "reject", false},
    {"REPLACE", Action::replace, "replace", true},
    {"STRIP", Action::strip, "strip", true},
    {"WARN", Action::warn, "warning", true},
};

const Row* find_row(std::string_view name, bool while_sending) {
  for (const Row& row : rows)
    if (equal_nocase(row.name, name))
      return while_sending && !row.while_sending ? nullptr : &row;
  return nullptr;
}

// "5.7.1" at the start of a text: its length.
std::size_t status_length(std::string_view text) {
  const std::string_view word = text.substr(0, text.find_first_of(" \t"));
  int dots = 0;
  int digits = 0;
  for (const char c : word) {
    if (c == '.' && digits > 0) {
      ++dots;
      digits = 0;
    } else if (is_digit(c) && digits < 3) {
      ++digits;
    } else {
      return 0;
    }
  }
  const bool fine = dots == 2 && digits > 0 && word[1] == '.';
  return fine ? word.size() : 0;
}

// What is wrong with an action's text; "" if nothing.
std::string complaint(const Row& row, std::string_view text,
                      const CheckPlace& place) {
  const std::string name(row.name);
  const std::string said(text);
  const std::string table(place.table);
  const std::string map = table + " map";
  switch (row.action) {
    case Action::filter:
      if (text.empty())
        return "missing FILTER command argument in " + map;
      if (text.find(':') == std::string_view::npos)
        return "bad FILTER command " + said + " in " + table +
               " -- need transport:destination";
      return {};
    case Action::redirect:
    case Action::bcc: {
      const std::size_t at = text.rfind('@');
      if (at != std::string_view::npos && at > 0 && at + 1 < text.size())
        return {};
      return "bad " + name +
             (row.action == Action::bcc ? " address" : " target") + " \"" +
             said + "\" in " + map + " -- need user@domain";
    }
    case Action::prepend:
    case Action::replace:
      if (text.empty())
        return name + " action without text in " + map;
      if (place.header && header_name_length(text) == 0)
        return "bad " + name + " header text \"" + said + "\" in " + map +
               " -- need \"headername: headervalue\"";
      return {};
    default: return {};
  }
}

void take_status(Check& check, CheckVerdict& out) {
  check.status = "5.7.1";
  if (check.text.empty()) {
    check.text = "message content rejected";
    return;
  }
  const std::size_t length = status_length(check.text);
  if (length == 0) return;
  check.status = check.text.substr(0, length);
  if (check.status[0] != '4' && check.status[0] != '5') {
    out.warning =
        "bad DSN action in " + check.text + " -- need 4.x.x or 5.x.x";
    check.status[0] = '4';
  }
  check.text = trim(std::string_view(check.text).substr(length));
}

}  // namespace

CheckVerdict parse_check(std::string_view value, const CheckPlace& place) {
  CheckVerdict out;
  value = trim(value);
  const std::size_t space = value.find_first_of(" \t\n");
  const Row* row = find_row(value.substr(0, space), place.while_sending);
  if (row == nullptr) {
    out.warning = place.while_sending ? "unsupported" : "unknown";
    out.warning += " command in " + std::string(place.table) +
                   " map: " + std::string(value);
    return out;
  }
  const std::string_view text = space == std::string_view::npos
                                    ? std::string_view()
                                    : trim(value.substr(space));
  out.warning = complaint(*row, text, place);
  if (!out.warning.empty()) return out;
  out.check.action = row->action;
  out.check.text = text;
  if (row->action == Action::reject) take_status(out.check, out);
  return out;
}

std::string_view log_word(CheckAction action) {
  for (const Row& row : rows)
    if (row.action == action) return row.log;
  return {};
}

}  // namespace postern::mail
