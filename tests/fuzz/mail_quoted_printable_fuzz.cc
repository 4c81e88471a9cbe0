// Text as quoted-printable: 7-bit lines of 76 characters at most that a
// decoder makes the text of again.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/panic.h"
#include "common/base/text.h"
#include "common/mail/quoted_printable.h"

using namespace postern;

namespace {

std::string encoded(std::string_view text, std::size_t cut) {
  mail::QuotedPrintable encoder;
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += cut)
    encoder.encode(text.substr(at, cut), out);
  encoder.finish(out);
  return out;
}

int digit(char c) {
  require(is_digit(c) || (c >= 'A' && c <= 'F'), "not a digit");
  return is_digit(c) ? c - '0' : c - 'A' + 10;
}

std::string decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    require(i + 1 < text.size(), "an escape without end");
    if (text[i + 1] == '\n') {
      ++i;
      continue;
    }
    require(i + 2 < text.size(), "an escape without end");
    out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1,
                              size - 1);
  const std::string whole = encoded(text, text.size() + 1);
  require(whole == encoded(text, data[0] % 13 + 1), "the cut shows");
  require(decoded(whole) == text, "decoding gives another text");
  for (const std::string& line : split(whole, '\n')) {
    require(line.size() <= 76, "a long line");
    require(line.empty() || (line.back() != ' ' && line.back() != '\t'),
            "a blank at the end of a line");
    for (const char c : line)
      require(is_print(c) || c == '\t', "a byte that is not for 7 bits");
  }
  return 0;
}
