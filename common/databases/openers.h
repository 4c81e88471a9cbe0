// What opens each kind of table of this folder; open.cc picks.
#pragma once

#include <memory>

#include "common/config/config.h"
#include "common/databases/servers.h"
#include "common/tables/table.h"

namespace postern::databases {

using Opened = Result<std::unique_ptr<tables::Table>>;

// What a table is opened with: besides its name and options, the main
// configuration (may be null) and what is known of its servers.
struct Context {
  const tables::Spec& spec;
  const tables::OpenOptions& options;
  const config::Config* main;
  std::shared_ptr<Health> health;
};

Opened open_sqlite(const Context& context);
Opened open_mysql(const Context& context);
Opened open_pgsql(const Context& context);
Opened open_ldap(const Context& context);
Opened open_memcache(const Context& context);
Opened open_tcp(const Context& context);
Opened open_socketmap(const Context& context);

}  // namespace postern::databases
