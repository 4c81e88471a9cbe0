// Constant databases, which anybody may have made.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/tables/cdb_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using postern::tables::CdbReader;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const CdbReader reader = CdbReader::of(bytes, "x");
  std::size_t count = 0;
  (void)reader.for_each([&](std::string_view key, std::string_view) {
    if (++count < 100) (void)reader.get(key);
  });
  (void)reader.get("a");
  return 0;
}
