#include "common/config/command_row.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "common/base/text.h"

namespace postern::config {
namespace {

constexpr std::string_view known_flags = "BDFORXhqu.>";

Trouble wrong(std::string text) { return give_up("3.5", std::move(text)); }

// The value of a `name=value` word.
bool take(const std::string& word, std::string_view name, std::string& value) {
  if (!word.starts_with(name) || word.size() <= name.size() ||
      word[name.size()] != '=')
    return false;
  value = word.substr(name.size() + 1);
  return true;
}

void take_flags(const std::string& flags, CommandRow& row) {
  for (const char flag : flags)
    if (known_flags.find(flag) != std::string_view::npos)
      row.flags += flag;
    else
      row.warnings.push_back(std::string("unknown flag: ") + flag +
                             " (ignored)");
}

// True when the word was one of pipe's own.
Result<bool> take_of_pipe(const std::string& word, CommandRow& row) {
  std::string value;
  if (take(word, "flags", value)) {
    take_flags(value, row);
  } else if (take(word, "null_sender", value)) {
    row.null_sender = value;
  } else if (take(word, "directory", value)) {
    row.directory = value;
  } else if (take(word, "chroot", value)) {
    row.chroot = value;
  } else if (take(word, "eol", value)) {
    row.line_end = unescape(value);
  } else if (take(word, "size", value)) {
    const std::optional<std::int64_t> size = parse_number(value);
    if (!size || *size < 0) return wrong("bad size= value: " + value);
    row.size_limit = *size;
  } else {
    return false;
  }
  return true;
}

void take_user(const std::string& value, CommandRow& row) {
  const std::size_t colon = value.find(':');
  row.user = value.substr(0, colon);
  if (colon != std::string::npos) row.group = value.substr(colon + 1);
}

Status check(const CommandRow& row) {
  if (row.user.empty()) return wrong("missing user= command-line attribute");
  if (row.argv.empty()) return wrong("missing argv= command-line attribute");
  if (!row.argv.front().starts_with('/'))
    return wrong("argv=" + row.argv.front() +
                 ": the program needs its full path name");
  return {};
}

}  // namespace

std::string unescape(const std::string& text) {
  constexpr std::string_view letters = "abfnrtv";
  constexpr std::string_view meanings = "\a\b\f\n\r\t\v";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    ++i;
    if (text[i] >= '0' && text[i] <= '7') {
      int code = 0;
      const std::size_t end = std::min(i + 3, text.size());
      for (; i < end && text[i] >= '0' && text[i] <= '7'; ++i)
        code = code * 8 + (text[i] - '0');
      --i;
      out += static_cast<char>(code);
      continue;
    }
    const std::size_t which = letters.find(text[i]);
    out += which == std::string_view::npos ? text[i] : meanings[which];
  }
  return out;
}

Result<CommandRow> CommandRow::parse(const std::vector<std::string>& arguments,
                                     const std::string& program) {
  CommandRow row;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    std::string value;
    if (take(word, "user", value)) {
      take_user(value, row);
    } else if (take(word, "argv", value)) {
      if (!value.empty()) row.argv.push_back(value);
      row.argv.insert(row.argv.end(),
                      arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                      arguments.end());
      break;
    } else {
      Result<bool> taken = false;
      if (program == "pipe") taken = take_of_pipe(word, row);
      if (!taken) return taken.trouble();
      if (!*taken) return wrong("unknown attribute name: " + word);
    }
  }
  if (Status fine = check(row); !fine) return fine.trouble();
  return row;
}

}  // namespace postern::config
