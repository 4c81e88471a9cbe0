// See path.h.
#include "common/mail/path.h"

#include <array>
#include <cstdio>
#include <limits>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/tokens.h"

namespace postern::mail {
namespace {

// The first argument: blanks part it from the next one, except in quotes and
// angle brackets. npos: something is not closed.
std::size_t argument_end(std::string_view text) {
  bool quoted = false;
  std::size_t depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\')
      ++i;
    else if (c == '"')
      quoted = !quoted;
    else if (quoted)
      continue;
    else if (c == '<')
      ++depth;
    else if (c == '>' && depth > 0)
      --depth;
    else if (is_space(c) && depth == 0)
      return i;
  }
  return quoted || depth > 0 ? std::string_view::npos : text.size();
}

bool is_bracketed(std::string_view path) {
  return path.size() >= 2 && path.front() == '<' && path.back() == '>';
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

bool all_printable(std::string_view text) {
  for (const char c : text)
    if (!is_print(c)) return false;
  return true;
}

void append_code(std::string& text, std::uint32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
    return;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr std::array<unsigned, 4> lead = {0, 0xc0, 0xe0, 0xf0};
  text += static_cast<char>(lead[static_cast<std::size_t>(more)] |
                            code >> (6 * more));
  for (int i = more - 1; i >= 0; --i)
    text += static_cast<char>(0x80 | (code >> (6 * i) & 0x3f));
}

// RFC 6533 section 3: "\x{FC}" stands for a character, the rest for itself.
std::optional<std::string> decode_utf8_address(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      if (static_cast<unsigned char>(text[i]) <= ' ' || text[i] == 0x7f)
        return std::nullopt;
      decoded += text[i++];
      continue;
    }
    const std::size_t end = text.find('}', i);
    if (text.substr(i, 3) != "\\x{" || end == std::string_view::npos ||
        end - i < 4 || end - i > 9)
      return std::nullopt;
    std::uint32_t code = 0;
    for (const char c : text.substr(i + 3, end - i - 3)) {
      if (hex_value(c) < 0) return std::nullopt;
      code = code << 4 | static_cast<std::uint32_t>(hex_value(c));
    }
    if (code > 0x10ffff || code < ' ' || code == 0x7f) return std::nullopt;
    append_code(decoded, code);
    i = end + 1;
  }
  if (!valid_utf8(decoded)) return std::nullopt;
  return decoded;
}

// The reverse: what RFC 6533 does not let stand for itself is escaped, and
// everything beyond ASCII where the session cannot carry it.
std::string encode_utf8_address(std::string_view text, bool utf8_allowed) {
  if (!valid_utf8(text)) return xtext_encode(text);
  std::string encoded;
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    std::size_t length = first < 0x80   ? 1
                         : first < 0xe0 ? 2
                         : first < 0xf0 ? 3
                                        : 4;
    std::uint32_t code = length == 1 ? first : first & (0x7fu >> length);
    for (std::size_t k = 1; k < length; ++k)
      code = code << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3fu);
    const bool plain = code < 0x80
                           ? code > ' ' && code != 0x7f && code != '\\' &&
                                 code != '+' && code != '='
                           : utf8_allowed;
    if (plain) {
      encoded += text.substr(i, length);
    } else {
      std::array<char, 16> escape{};
      std::snprintf(escape.data(), escape.size(), "\\x{%02X}", code);
      encoded += escape.data();
    }
    i += length;
  }
  return encoded;
}

bool valid_address_type(std::string_view type) {
  if (type.empty()) return false;
  for (const char c : type)
    if (!is_alnum(c) && c != '-') return false;
  return true;
}

}  // namespace

bool plausible_domain(std::string_view internal, bool numeric_domain) {
  const AddressParts parts = split_address(internal);
  if (!parts.has_at) return true;
  std::string_view domain = parts.domain;
  if (!domain.empty() && domain.back() == '.') domain.remove_suffix(1);
  if (domain.empty()) return false;
  if (domain.front() == '[') return valid_literal(domain);
  return valid_utf8_hostname(domain) ||
         (numeric_domain && valid_hostaddr(domain));
}

std::optional<std::string> parse_path(std::string_view path,
                                      const PathRules& rules) {
  path = trim(path);
  if (path.empty()) return std::nullopt;
  const bool bracketed = is_bracketed(path);
  if (rules.strict && !bracketed) return std::nullopt;
  if (bracketed) path = trim(path.substr(1, path.size() - 2));
  // Before the commas of a route part addresses.
  const std::string_view direct = strip_route(path);
  if (direct.empty() && !path.empty()) return std::nullopt;
  const AddressList list(direct);
  if (list.address_count() > 1 || (rules.strict && list.other_count() > 0))
    return std::nullopt;
  const std::vector<std::string> found = list.addresses();
  if (found.empty()) {
    if (!rules.allow_empty) return std::nullopt;
    return std::string();
  }
  const std::string_view address = strip_route(found.front());
  const bool nameless = address.empty() || address.front() == '@';
  if ((nameless && (rules.strict || address.empty())) ||
      !plausible_domain(address, rules.numeric_domain))
    return std::nullopt;
  return std::string(address);
}

bool Parameter::is(std::string_view name) const {
  return equal_nocase(key, name);
}

Parameter parse_parameter(std::string_view text) {
  const std::size_t equals = text.find('=');
  Parameter parameter{std::string(text.substr(0, equals)), std::nullopt,
                      std::string(text)};
  if (equals != std::string_view::npos)
    parameter.value = text.substr(equals + 1);
  return parameter;
}

std::optional<EnvelopeArguments> split_envelope_arguments(
    std::string_view arguments, std::string_view keyword, bool* unclosed) {
  if (unclosed) *unclosed = false;
  arguments = trim(arguments);
  if (!starts_with_nocase(arguments, keyword) ||
      arguments.size() == keyword.size() || arguments[keyword.size()] != ':')
    return std::nullopt;
  arguments = trim_left(arguments.substr(keyword.size() + 1));
  if (arguments.empty()) return std::nullopt;
  const std::size_t end = argument_end(arguments);
  if (end == std::string_view::npos) {
    if (unclosed) *unclosed = true;
    return std::nullopt;
  }
  EnvelopeArguments result{std::string(arguments.substr(0, end)), {}};
  for (const std::string& word : split_words(arguments.substr(end), " \t"))
    result.parameters.push_back(parse_parameter(word));
  return result;
}

std::string xtext_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string xtext;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c > ' ' && c < 0x7f && c != '+' && c != '=') {
      xtext += c;
    } else {
      xtext += '+';
      xtext += digits[byte >> 4];
      xtext += digits[byte & 15];
    }
  }
  return xtext;
}

std::optional<std::string> xtext_decode(std::string_view xtext) {
  std::string text;
  for (std::size_t i = 0; i < xtext.size(); ++i) {
    if (xtext[i] <= ' ' || xtext[i] == 0x7f) return std::nullopt;
    if (xtext[i] != '+') {
      text += xtext[i];
      continue;
    }
    if (i + 2 >= xtext.size()) return std::nullopt;
    const int high = hex_value(xtext[i + 1]);
    const int low = hex_value(xtext[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    text += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return text;
}

std::optional<std::int64_t> parse_size(std::string_view value) {
  if (value.empty()) return std::nullopt;
  for (const char c : value)
    if (!is_digit(c)) return std::nullopt;
  const std::optional<std::int64_t> size = parse_number(value);
  return size ? *size : std::numeric_limits<std::int64_t>::max();
}

std::optional<Body> parse_body(std::string_view value) {
  if (equal_nocase(value, "7BIT")) return Body::seven_bit;
  if (equal_nocase(value, "8BITMIME")) return Body::eight_bit_mime;
  return std::nullopt;
}

std::optional<Return> parse_ret(std::string_view value) {
  if (equal_nocase(value, "FULL")) return Return::full;
  if (equal_nocase(value, "HDRS")) return Return::headers;
  return std::nullopt;
}

std::optional<std::string> parse_envid(std::string_view value) {
  std::optional<std::string> envid = xtext_decode(value);
  if (!envid || envid->empty() || !all_printable(*envid)) return std::nullopt;
  return envid;
}

std::optional<Notify> parse_notify(std::string_view value,
                                   std::string* unknown) {
  Notify notify;
  for (const std::string& word : split_words(value, ", \t")) {
    if (equal_nocase(word, "NEVER")) {
      notify.never = true;
    } else if (equal_nocase(word, "SUCCESS")) {
      notify.success = true;
    } else if (equal_nocase(word, "FAILURE")) {
      notify.failure = true;
    } else if (equal_nocase(word, "DELAY")) {
      notify.delay = true;
    } else {
      if (unknown) *unknown = word;
      return std::nullopt;
    }
  }
  const bool others = notify.success || notify.failure || notify.delay;
  if (!notify.any() || (notify.never && others)) return std::nullopt;
  return notify;
}

std::string to_text(const Notify& notify) {
  std::vector<std::string> words;
  if (notify.never) words.emplace_back("NEVER");
  if (notify.success) words.emplace_back("SUCCESS");
  if (notify.failure) words.emplace_back("FAILURE");
  if (notify.delay) words.emplace_back("DELAY");
  return join(words, ",");
}

std::optional<std::string> parse_orcpt(std::string_view value) {
  const std::size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  const std::string_view type = value.substr(0, semicolon);
  if (!valid_address_type(type)) return std::nullopt;
  const std::string_view encoded = value.substr(semicolon + 1);
  std::optional<std::string> address;
  if (equal_nocase(type, "utf-8")) {
    address = decode_utf8_address(encoded);
  } else {
    address = xtext_decode(encoded);
    if (address && !all_printable(*address)) return std::nullopt;
  }
  if (!address) return std::nullopt;
  return std::string(type) + ";" + *address;
}

std::string orcpt_value(std::string_view decoded, bool utf8_allowed) {
  const std::size_t semicolon = decoded.find(';');
  if (semicolon == std::string_view::npos)
    return "rfc822;" + xtext_encode(decoded);
  const std::string type(decoded.substr(0, semicolon + 1));
  const std::string_view address = decoded.substr(semicolon + 1);
  if (!equal_nocase(type, "utf-8;")) return type + xtext_encode(address);
  return type + encode_utf8_address(address, utf8_allowed);
}

}  // namespace postern::mail
