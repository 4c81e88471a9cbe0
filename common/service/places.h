// Where things lie in the queue and data directories, and whose they are: one
// table for master (which creates what is missing), for `postern check` and
// `set-permissions`, and for the file views of daemons.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/role.h"
#include "common/config/config.h"
#include "common/sandbox/profiles.h"

namespace postern {

struct QueueDirectory {
  std::string_view name;  // below queue_directory; empty: itself
  bool owned_by_root;     // otherwise by mail_owner
  bool dropped_into;      // its group is setgid_group
  mode_t mode;
  bool holds_mail;        // cleanup and qmgr see it
};
std::span<const QueueDirectory> queue_directories();

// Where master and the daemons are: daemon_directory, or where it holds other
// programs (a configuration that was Postfix's) its initial value.
std::string daemon_directory_of(const config::Config& config);

// The directory of a role's own data: data_directory, or for authd a place of
// its own below it.
std::string data_directory_of(Role role, const config::Config& config);

// Private keys and password files that main.conf names, for authd.
std::vector<std::string> secret_files(const config::Config& config);

// Every file that main.conf, or a row as `config` shows it, names for TLS
// certificates, keys and tables of them: what master opens for authd.
std::vector<std::string> certificate_files(const config::Config& config);

// What the profiles' views mean under this configuration.
sandbox::Places places_of(Role role, const config::Config& config);

// The parameter of main.conf that names the user of a class: "mail_owner",
// "network_owner", …; empty for classes that have none.
std::string_view owner_parameter(sandbox::UserClass user);

}  // namespace postern
