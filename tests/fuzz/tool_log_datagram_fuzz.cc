// What a local user may send to postlogd.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tools/log_datagram.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto line = postern::tools::parse_log_datagram(bytes);
  if (line && (line->text.find('\n') != std::string::npos ||
               line->tag.find_first_of("[]: \n") != std::string::npos))
    std::abort();
  return 0;
}
