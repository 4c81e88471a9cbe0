// The header section of a message, line by line.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "common/mail/header.h"

using namespace postern;
using namespace postern::mail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)from_header("From", text, text, FromFormat::standard);
  (void)from_header("From", text, text, FromFormat::obsolete);
  HeaderSplitter splitter(64);
  std::optional<Header> header;
  const auto check = [](const std::optional<Header>& one) {
    if (!one) return;
    require(one->text.size() <= 64, "a header keeps to its limit");
    (void)one->info();
    (void)one->value();
  };
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const auto line = splitter.feed(text.substr(0, end), header);
    check(header);
    if (line != HeaderSplitter::Line::header) return 0;
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
  }
  check(splitter.finish());
  return 0;
}
