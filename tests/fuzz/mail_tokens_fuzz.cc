// Address lists of headers: read, rewritten, written, read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "common/mail/tokens.h"

using namespace postern;
using namespace postern::mail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  AddressList list(text, 1000);
  list.rewrite([](const std::string& address) { return address + "@x.test"; });
  const std::string header = list.to_header_text("To");
  require(header.substr(0, 3) == "To:", "a header keeps its name");
  (void)list.to_text();
  (void)extract_addresses(text);
  return 0;
}
