// master.conf: the service table.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "common/config/check.h"
#include "common/config/master_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<postern::config::TableProblem> problems;
  auto table = postern::config::MasterTable::read(text, "master", problems);
  for (const auto& row : table.rows())
    postern::require(table.find(row.name, row.type) == &row,
                     "a row that cannot be found");
  for (const auto& finding :
       postern::config::check_rows(problems, "master"))
    (void)postern::config::describe(finding);
  return 0;
}
