#include "common/mail/quoted_printable.h"

#include <utility>

#include "common/base/text.h"

namespace postern::mail {
namespace {

// A character or its escape begins before this column; with the "=" of a soft
// line break that makes 76.
constexpr std::size_t last_column = 72;

}  // namespace

void QuotedPrintable::put(char c, bool escape, std::string& out) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  if (column_ > last_column) {
    out += "=\n";
    column_ = 0;
  }
  if (!escape) {
    out += c;
    ++column_;
    return;
  }
  const auto byte = static_cast<unsigned char>(c);
  out += '=';
  out += digits[byte >> 4];
  out += digits[byte & 15];
  column_ += 3;
}

void QuotedPrintable::encode(std::string_view text, std::string& out) {
  out.reserve(out.size() + text.size() + text.size() / 8);
  for (const char c : text) {
    if (c == '\n') {
      finish(out);
      out += '\n';
      continue;
    }
    if (blank_ != 0) put(std::exchange(blank_, '\0'), false, out);
    if (c == ' ' || c == '\t')
      blank_ = c;
    else
      put(c, !is_print(c) || c == '=', out);
  }
}

void QuotedPrintable::finish(std::string& out) {
  if (blank_ != 0) put(std::exchange(blank_, '\0'), true, out);
  column_ = 0;
}

}  // namespace postern::mail
