// The right-hand side of aliases.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "local/destinations.h"

using namespace postern;
using namespace postern::local;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Destination& each : parse_destinations(text))
    if (each.kind == Destination::Kind::file)
      require(each.text.starts_with('/'), "a file is an absolute path");
  return 0;
}
