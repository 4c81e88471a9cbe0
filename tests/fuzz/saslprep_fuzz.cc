// Names and passwords as strangers send them.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/base/text.h"
#include "common/credentials/saslprep.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern::credentials;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto made = saslprep(text);
  if (made && (made->empty() || !postern::valid_utf8(*made))) std::abort();
  // What is forbidden may come out of normalising what is not; but a name is
  // found under its key again.
  const std::string key = name_key(text);
  if (made && name_key(*made) != key) std::abort();
  return 0;
}
