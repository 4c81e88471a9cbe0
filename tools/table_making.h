// Making the files of tables from their sources: what postmap, postalias and
// newaliases share.
#pragma once

#include "common/config/config.h"
#include "common/tables/build.h"

namespace postern::tools {

// Makes one table, with no more rights than its source's owner unless
// `keep_rights`.
Status make_table(const tables::Spec& spec, const tables::BuildOptions& options,
                  bool keep_rights);

// newaliases, sendmail -bi: makes every table of alias_database again, as
// postalias does. Trouble: the first that could not be made; those before it
// are done.
Status run_newaliases(const config::Config& config, const tables::Warn& warn);

}  // namespace postern::tools
