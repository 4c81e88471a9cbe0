// Source text of tables and alias files.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/tables/alias_file.h"
#include "common/tables/source.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern::tables;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  LogicalLines lines(text);
  while (const auto line = lines.next()) {
    if (lines.first_line() > lines.last_line()) std::abort();
    const SourceLine entry = parse_entry(*line);
    if (!entry.entry && entry.complaint.empty()) std::abort();
    const SourceLine alias = parse_alias(*line);
    if (!alias.entry && alias.complaint.empty()) std::abort();
  }
  looks_like_aliases(text);
  return 0;
}
