#include "common/tls/protocols.h"

#include <optional>

#include "common/base/text.h"

namespace postern::tls {
namespace {

struct Named {
  std::string_view name;
  unsigned bit;
  int wire;
};

constexpr Named versions[] = {
    {"SSLv2", ssl2, 0x0002},     {"SSLv3", ssl3, 0x0300},
    {"TLSv1", tls1, 0x0301},     {"TLSv1.1", tls1_1, 0x0302},
    {"TLSv1.2", tls1_2, 0x0303}, {"TLSv1.3", tls1_3, 0x0304},
};

constexpr unsigned every = ssl2 | ssl3 | tls1 | tls1_1 | tls1_2 | tls1_3;

const Named* find_version(std::string_view name) {
  // "TLSv1.0" and "TLS1.2" stand in guides beside the names proper.
  std::string word = to_lower(name);
  if (word.starts_with("tls") && !word.starts_with("tlsv"))
    word.insert(3, "v");
  if (word == "tlsv1.0") word = "tlsv1";
  for (const Named& each : versions)
    if (equal_nocase(each.name, word)) return &each;
  return nullptr;
}

// "303", "0x303", "0303": hexadecimal, as on the wire.
std::optional<int> wire_number(std::string_view text) {
  if (starts_with_nocase(text, "0x")) text.remove_prefix(2);
  if (text.size() < 3 || text.size() > 4) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    const char low = lower(c);
    if (is_digit(low)) value = value * 16 + (low - '0');
    else if (low >= 'a' && low <= 'f') value = value * 16 + (low - 'a' + 10);
    else return std::nullopt;
  }
  if (value < 0x0300) return std::nullopt;
  return value;
}

std::optional<int> bound(std::string_view text) {
  if (const Named* named = find_version(text)) return named->wire;
  return wire_number(text);
}

Trouble unknown(std::string_view word) {
  return give_up("3.5", "\"" + std::string(word) +
                            "\" is not a TLS protocol version; write for "
                            "example \">=TLSv1.2\"");
}

}  // namespace

Result<Protocols> parse_protocols(std::string_view list) {
  Protocols out;
  unsigned included = 0;
  // A space may follow an operator: ">= TLSv1.2".
  std::string text(list);
  for (const char* op : {">=", "<=", "!"})
    while (text.find(std::string(op) + " ") != std::string::npos)
      text = replace_all(text, std::string(op) + " ", op);
  for (const std::string& word : split_words(text, ", \t\r\n:")) {
    const bool from = word.starts_with(">=");
    if (from || word.starts_with("<=")) {
      const std::optional<int> value = bound(word.substr(2));
      if (!value) return unknown(word);
      (from ? out.least : out.most) = *value;
      continue;
    }
    const bool exclude = word[0] == '!';
    const Named* named = find_version(exclude ? word.substr(1) : word);
    if (named == nullptr) return unknown(word);
    (exclude ? out.excluded : included) |= named->bit;
  }
  // Only what is named, but without what is taken away.
  if (included != 0) out.excluded |= every & ~included;
  return out;
}

std::string_view version_name(int wire_version) {
  for (const Named& each : versions)
    if (each.wire == wire_version) return each.name;
  return {};
}

}  // namespace postern::tls
