#include "common/databases/replies.h"

#include "common/base/text.h"

namespace postern::databases {
namespace {

constexpr std::size_t longest_memcache_key = 250;

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

std::string reason(std::string_view text) {
  const std::string shown = printable_utf8(trim(text));
  return shown.empty() ? "no reason given" : shown;
}

}  // namespace

std::string tcp_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string all;
  for (const char c : text) {
    if (c != '%' && c > ' ' && c < 0x7f) {
      all += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    all += '%';
    all += digits[byte >> 4];
    all += digits[byte & 15];
  }
  return all;
}

std::optional<std::string> tcp_decode(std::string_view text) {
  std::string all;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      all += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    all += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return all;
}

tables::Found read_tcp_reply(std::string_view line) {
  const auto bad = [&] {
    return try_later("3.0", "bad reply: " + reason(line.substr(0, 100)));
  };
  if (line.size() < 4 || !is_space(line[3])) return bad();
  const std::string_view code = line.substr(0, 3);
  const auto text = tcp_decode(trim_left(line.substr(4)));
  if (!text) return bad();
  if (code == "500") return std::optional<std::string>();
  if (code == "400") return try_later("3.0", reason(*text));
  if (code != "200") return bad();
  return std::optional(*text);
}

std::string netstring(std::string_view text) {
  return std::to_string(text.size()) + ":" + std::string(text) + ",";
}

tables::Found read_socketmap_reply(std::string_view reply) {
  const std::size_t space = reply.find(' ');
  const std::string_view word = reply.substr(0, space);
  const std::string_view text =
      space == std::string_view::npos ? "" : reply.substr(space + 1);
  if (word == "OK" && space != std::string_view::npos)
    return std::optional<std::string>(text);
  if (word == "NOTFOUND") return std::optional<std::string>();
  if (word == "TEMP") return try_later("3.0", "temporary: " + reason(text));
  if (word == "TIMEOUT") return try_later("3.0", "timeout: " + reason(text));
  if (word == "PERM") return try_later("3.0", "permanent: " + reason(text));
  return try_later("3.0",
                   "unknown reply status: " + reason(reply.substr(0, 100)));
}

std::optional<MemcacheHead> read_memcache_head(std::string_view line,
                                               std::string_view key) {
  if (line == "END") return MemcacheHead{};
  const std::vector<std::string> words = split_words(line, " ");
  if (words.size() < 4 || words[0] != "VALUE" || words[1] != key)
    return std::nullopt;
  const auto bytes = parse_number(words[3]);
  if (!bytes || *bytes < 0) return std::nullopt;
  return MemcacheHead{true, static_cast<std::size_t>(*bytes)};
}

bool valid_memcache_key(std::string_view key) {
  if (key.empty() || key.size() > longest_memcache_key) return false;
  for (const char c : key)
    if ((c >= 0 && c <= ' ') || c == 0x7f) return false;
  return true;
}

}  // namespace postern::databases
