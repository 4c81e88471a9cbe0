// Plain text work on ASCII: case folding, trimming, splitting. Mail names are
// ASCII; UTF-8 passes through untouched (folding for lookups of UTF-8 names is
// in common/mail).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern {

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
constexpr bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' ||
         c == '\f';
}
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_alnum(char c) { return is_digit(c) || is_alpha(c); }
constexpr bool is_print(char c) { return c >= 0x20 && c < 0x7f; }

std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);
bool equal_nocase(std::string_view a, std::string_view b);
bool starts_with_nocase(std::string_view text, std::string_view prefix);
bool ends_with_nocase(std::string_view text, std::string_view suffix);
bool all_ascii(std::string_view text);

std::string_view trim(std::string_view text);
std::string_view trim_left(std::string_view text);
std::string_view trim_right(std::string_view text);

// Splits at every `separator`; empty pieces are kept.
std::vector<std::string> split(std::string_view text, char separator);

// Splits at runs of any of the `separators`; empty pieces are dropped. The
// default set is that of lists in main.cf(5).
std::vector<std::string> split_words(std::string_view text,
                                     std::string_view separators = ", \t\r\n");

// As split_words, but text inside balanced braces stays in one piece, its
// braces included: `a {b c}, d` gives `a`, `{b c}`, `d`. nullopt when a brace
// is not closed.
std::optional<std::vector<std::string>> split_braced(
    std::string_view text, std::string_view separators = ", \t\r\n");

std::string join(const std::vector<std::string>& pieces,
                 std::string_view separator);
std::string replace_all(std::string text, std::string_view from,
                        std::string_view to);

// Control and non-ASCII characters become `substitute`: for log lines that
// quote a stranger.
std::string printable(std::string_view text, char substitute = '?');
// As above, but valid UTF-8 sequences pass through.
std::string printable_utf8(std::string_view text, char substitute = '?');
bool valid_utf8(std::string_view text);

// Whole-string decimal number; nullopt for an empty text, other characters
// or overflow.
std::optional<std::int64_t> parse_number(std::string_view text);

std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace postern
