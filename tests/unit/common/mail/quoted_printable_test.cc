#include "common/mail/quoted_printable.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using postern::mail::QuotedPrintable;

namespace {

std::string encoded(const std::string& text, std::size_t cut = 1 << 20) {
  QuotedPrintable encoder;
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += cut)
    encoder.encode(std::string_view(text).substr(at, cut), out);
  encoder.finish(out);
  return out;
}

}  // namespace

TEST_CASE("text becomes quoted-printable", "[mail]") {
  struct Case {
    std::string in, out;
  };
  const std::string ten = "0123456789";
  const std::string seventy = ten + ten + ten + ten + ten + ten + ten;
  const std::vector<Case> cases = {
      {"", ""},
      {"plain\n", "plain\n"},
      {"\344=\1\x7f\n", "=E4=3D=01=7F\n"},
      {"a b \t\n", "a b =09\n"},
      {"end ", "end=20"},
      {"a\rb\n", "a=0Db\n"},
      {"\n\n", "\n\n"},
      {seventy + "123\n", seventy + "123\n"},
      {seventy + "1234\n", seventy + "123=\n4\n"},
      {seventy + "12\344\n", seventy + "12=E4\n"},
      {seventy + "12\344x\n", seventy + "12=E4=\nx\n"},
      {seventy + "123 \n", seventy + "123=\n=20\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.in);
    CHECK(encoded(c.in) == c.out);
    CHECK(encoded(c.in, 1) == c.out);
  }
}
