// Domain names, address literals and folding: the second half of address.h.
#include <arpa/inet.h>
#include <idn2.h>
#include <locale.h>
#include <wctype.h>

#include <array>
#include <memory>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postern::mail {
namespace {

constexpr std::size_t max_name = 255;
constexpr std::size_t max_label = 63;
constexpr std::string_view ipv6_tag = "IPv6:";

struct IdnFree {
  void operator()(char* text) const { idn2_free(text); }
};
using IdnText = std::unique_ptr<char, IdnFree>;

std::string_view label_fault(std::string_view label) {
  if (label.empty()) return "misplaced delimiter";
  if (label.size() > max_label) return "label too long";
  if (label.front() == '-' || label.back() == '-') return "misplaced hyphen";
  for (const char c : label)
    if (!is_alnum(c) && c != '-' && c != '_') return "invalid character";
  return {};
}

bool convertible(std::string_view text) {
  return valid_utf8(text) && text.find('\0') == std::string_view::npos;
}

bool parses_as(int family, std::string_view text) {
  if (text.empty() || text.size() >= INET6_ADDRSTRLEN ||
      text.find('\0') != std::string_view::npos)
    return false;
  std::array<unsigned char, 16> address{};
  return inet_pton(family, std::string(text).c_str(), address.data()) == 1;
}

// Opened before main: a daemon locks itself in later. Null: no such locale,
// and then only ASCII is folded.
const locale_t utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);

void append_utf8(std::string& text, unsigned code) {
  const auto add = [&text](unsigned byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | code >> 6);
    add(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    add(0xe0 | code >> 12);
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  } else {
    add(0xf0 | code >> 18);
    add(0x80 | (code >> 12 & 0x3f));
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  }
}

// The code point at `at` of valid UTF-8; moves `at` past it.
unsigned next_code(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  unsigned code = first & (0x3fu >> more);
  for (int i = 0; i < more; ++i)
    code = code << 6 | (static_cast<unsigned char>(text[at++]) & 0x3f);
  return code;
}

Trouble no_domain(std::string_view domain, const char* reason) {
  return give_up("1.3", "domain name '" + printable_utf8(domain) +
                            "' cannot be converted: " + reason);
}

}  // namespace

std::string_view hostname_fault(std::string_view name) {
  if (name.empty()) return "empty hostname";
  if (name.size() > max_name) return "name too long";
  bool numeric = true;
  for (std::size_t start = 0; start <= name.size();) {
    std::size_t end = name.find('.', start);
    if (end == std::string_view::npos) end = name.size();
    const std::string_view label = name.substr(start, end - start);
    const std::string_view fault = label_fault(label);
    if (!fault.empty()) return fault;
    for (const char c : label) numeric = numeric && is_digit(c);
    start = end + 1;
  }
  return numeric ? "numeric hostname" : std::string_view();
}

bool valid_hostname(std::string_view name) {
  return hostname_fault(name).empty();
}

bool valid_utf8_hostname(std::string_view name) {
  if (all_ascii(name)) return valid_hostname(name);
  const Result<std::string> ascii = domain_to_ascii(name);
  return ascii.ok() && valid_hostname(ascii.value());
}

bool valid_ipv4(std::string_view text) { return parses_as(AF_INET, text); }
bool valid_ipv6(std::string_view text) { return parses_as(AF_INET6, text); }
bool valid_hostaddr(std::string_view text) {
  return valid_ipv4(text) || valid_ipv6(text);
}

bool valid_literal_address(std::string_view text) {
  if (starts_with_nocase(text, ipv6_tag))
    return valid_ipv6(text.substr(ipv6_tag.size()));
  return valid_ipv4(text);
}

std::optional<std::string_view> parse_literal(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']')
    return std::nullopt;
  const std::string_view inner = text.substr(1, text.size() - 2);
  if (!valid_literal_address(inner)) return std::nullopt;
  return starts_with_nocase(inner, ipv6_tag) ? inner.substr(ipv6_tag.size())
                                             : inner;
}

bool valid_literal(std::string_view text) {
  return parse_literal(text).has_value();
}

Result<std::string> domain_to_ascii(std::string_view domain) {
  if (all_ascii(domain)) return to_lower(domain);
  if (!convertible(domain)) return no_domain(domain, "not UTF-8");
  const std::string_view dot = domain.front() == '.' ? "." : "";
  char* output = nullptr;
  const int code =
      idn2_to_ascii_8z(std::string(domain.substr(dot.size())).c_str(), &output,
                       IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (code != IDN2_OK) return no_domain(domain, idn2_strerror(code));
  return std::string(dot) + IdnText(output).get();
}

Result<std::string> domain_to_utf8(std::string_view domain) {
  const std::string folded = fold_key(domain);
  if (folded.empty() || folded.find("xn--") == std::string::npos) return folded;
  if (!convertible(domain)) return no_domain(domain, "not UTF-8");
  const std::size_t dot = folded.front() == '.' ? 1 : 0;
  char* output = nullptr;
  const int code =
      idn2_to_unicode_8z8z(folded.c_str() + dot, &output, IDN2_NONTRANSITIONAL);
  if (code != IDN2_OK) return no_domain(domain, idn2_strerror(code));
  return folded.substr(0, dot) + IdnText(output).get();
}

std::string fold_key(std::string_view text) {
  if (all_ascii(text) || !utf8_locale || !valid_utf8(text))
    return to_lower(text);
  std::string folded;
  folded.reserve(text.size());
  for (std::size_t at = 0; at < text.size();)
    append_utf8(folded, towlower_l(next_code(text, at), utf8_locale));
  return folded;
}

}  // namespace postern::mail
