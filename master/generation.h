// One reading of the configuration, complete: what start and every reload
// make, and what a reload keeps when the new one is wrong.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/config/master_table.h"
#include "common/ipc/messages/control.h"
#include "common/os/fd.h"
#include "master/identity.h"
#include "master/plan.h"

namespace postern::master {

struct Generation {
  config::Config config = config::Config::defaults();
  std::vector<config::ServiceRow> rows;
  Plan plan;
  std::optional<Identities> identities;  // as root alone
  std::vector<ipc::SettingWire> settings;
  std::vector<ipc::RowWire> suite;
  Fd log_file;  // none: syslog
  // Certificates, keys and tables of them, of all rows: authd may have these.
  std::set<std::string> secrets;
  std::vector<std::string> warnings;

  std::string program(Role role) const;  // full path
};

// Trouble: the first thing that keeps the mail system from running, with file
// and line.
Result<Generation> load_generation(const std::string& directory, bool as_root);

// Every process gets all of it in one message. Trouble: it is too large for
// that; names the largest parameter.
Status check_size(const Generation& generation);

// `maxproc` with the default filled in; 0: no limit.
ipc::RowWire row_wire(const config::ServiceRow& row,
                      const config::Config& config);

// Opens maillog_file for appending (made with mode 0600), or gives none where
// the parameter is empty. Trouble: not below maillog_file_prefixes, or it
// cannot be opened.
Result<Fd> open_log_file(const config::Config& config);

// A path is below one of the prefixes when it is one of them or goes on after
// it with a slash.
bool has_prefix(const std::string& path, const std::vector<std::string>& prefixes);

}  // namespace postern::master
