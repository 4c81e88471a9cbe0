// Address lists in headers (RFC 5322 section 3.4, with the obsolete forms of
// section 4.4): read into a list of pieces, rewritten address by address, and
// written again with names, comments and groups in place.
//
// Real mail is not what the grammar says: what cannot be parsed is kept, words
// without a comma between them are addresses of their own, unclosed quotes,
// comments and literals end with the text.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::mail {

struct Token {
  enum class Kind {
    word,         // an atom, backslashes taken off
    quoted,       // a quoted string, quotes and backslashes taken off
    literal,      // [domain literal] with its brackets
    comment,      // (comment) with its parentheses and backslashes
    operation,    // one of < > @ , ; : . ! %
    group_start,  // the colon of a group
    address,      // an address in internal form, see address.h
  };
  Kind kind;
  std::string text;

  bool is(char c) const {
    return kind == Kind::operation && text.size() == 1 && text[0] == c;
  }
};

class AddressList {
 public:
  static constexpr std::size_t default_token_limit = 10240;

  // `value` may be folded. At most `token_limit` tokens are looked at
  // (header_address_token_limit); the rest of the text is kept as it is,
  // untouched by rewrite.
  explicit AddressList(std::string_view value,
                       std::size_t token_limit = default_token_limit);

  // Internal forms, in order; the empty address of <> is left out.
  std::vector<std::string> addresses() const;

  // Number of pieces that are addresses (<> included), and of all others,
  // the brackets around an address not counted.
  std::size_t address_count() const;
  std::size_t other_count() const;

  // Gives each address that is not empty to `fn`, which returns the new
  // internal form. True when any changed.
  bool rewrite(const std::function<std::string(const std::string&)>& fn);

  // The list in external form on one line.
  std::string to_text() const;

  // "Name: list", folded after commas to lines below 70 characters where
  // possible, continuation lines beginning with a tab; no line end at the end.
  std::string to_header_text(std::string_view header_name) const;

 private:
  // The list, cut after each ", ".
  std::vector<std::string> pieces() const;

  std::vector<Token> tokens_;
  std::string rest_;  // beyond the token limit
};

// The addresses of a header's value in internal form, for sendmail -t.
std::vector<std::string> extract_addresses(std::string_view value);

// A header (folded, no line end at its end) after `fn` went over its
// addresses; nullopt when nothing changed: then the original is kept, layout
// and all. `name_length` is the length of its name.
std::optional<std::string> rewrite_header_addresses(
    std::string_view header, std::size_t name_length,
    const std::function<std::string(const std::string&)>& fn,
    std::size_t token_limit = AddressList::default_token_limit);

}  // namespace postern::mail
