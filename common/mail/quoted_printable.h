// Text as quoted-printable (RFC 2045 section 6.7), for hosts that take no 8-bit
// mail (RFC 6152 section 3). Lines end in LF before and after.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::mail {

class QuotedPrintable {
 public:
  // Appends the next piece of text, cut anywhere, to `out`. Lines of `out` are
  // of at most 76 characters.
  void encode(std::string_view text, std::string& out);
  // The text has ended, perhaps within a line: writes what was held back. What
  // follows is another text.
  void finish(std::string& out);

 private:
  void put(char c, bool escape, std::string& out);

  std::size_t column_ = 0;
  // A blank that must be escaped should its line end after it.
  char blank_ = 0;
};

}  // namespace postern::mail
