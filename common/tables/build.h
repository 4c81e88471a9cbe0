// Making and changing the files of indexed tables: what postmap, postalias
// and newaliases do.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/tables/table.h"

namespace postern::tables {

enum class Duplicates {
  warn,     // keep the first, say so
  ignore,   // -w: keep the first
  replace,  // -r: keep the last
};

struct BuildOptions {
  bool aliases = false;  // "name: value" lines, and postalias as the maker
  bool fold = true;
  bool utf8 = true;
  bool values_are_files = false;
  bool nul = false;          // -N
  bool inherit_mode = true;  // a new file gets the mode of its source
  Duplicates duplicates = Duplicates::warn;
  std::size_t lmdb_map_size = 16u << 20;
  Warn warn;
};

// The file behind a table that postmap can make: NAME.db, NAME.lmdb. Trouble:
// "unsupported dictionary type: X does not support bulk-mode creation."
Result<std::string> file_of(const Spec& spec);

// "postmap hash:/x", or postalias when the source is an alias file.
std::string rebuild_command(const Spec& spec);

// From the source file NAME.
Status build(const Spec& spec, const BuildOptions& options);

// Adds entries to a table, which is made if it is not there; `source` names
// the text in warnings.
Status add_entries(const Spec& spec, std::string_view text,
                   const std::string& source, const BuildOptions& options);

// How many of the keys were there. Trouble when the table is not.
Result<std::size_t> remove_keys(const Spec& spec,
                                const std::vector<std::string>& keys,
                                const BuildOptions& options);

}  // namespace postern::tables
