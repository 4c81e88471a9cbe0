// postmap and postalias: options, and making, asking, listing and changing
// tables; and what newaliases does. postmap(1), postalias(1), newaliases(1).
#pragma once

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/tables/table.h"

namespace postern::tools {

// The whole program; returns its exit status. `aliases`: postalias.
int run_table_tool(int argc, char** argv, bool aliases);

// newaliases, sendmail -bi: makes every table of alias_database again, as
// postalias does. Trouble: the first that could not be made; those before it
// are done.
Status run_newaliases(const config::Config& config, const tables::Warn& warn);

}  // namespace postern::tools
