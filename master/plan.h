// From rows to processes: which processes there are to be, which rows each of
// them serves, when it starts. Pure; what the supervisor works off.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/role.h"
#include "common/config/master_table.h"

namespace postern::master {

// One program running for one row, with those that it hosts; one process, or
// several alike.
struct Unit {
  std::string key;      // "smtpd 2525/inet": the same unit after a reload
  std::string service;  // name of the own row; "lookup", "authd" without one
  Role role = Role::smtpd;
  // The own row first. Never empty: roles without a row get one made up.
  std::vector<config::ServiceRow> rows;
  bool at_start = false;  // otherwise when a link to it is asked for
  int most = 1;           // processes at a time; 0: no limit
};

struct Plan {
  std::vector<Unit> units;
  // Service name to key: where a link to it leads.
  std::map<std::string, std::string, std::less<>> serves;
  std::vector<std::string> warnings;

  const Unit* find(std::string_view key) const;
};

struct PlanFacts {
  std::string cleanup_service = "cleanup";
  std::string smtpd_service = "smtpd";  // the pass row behind postscreen rows
  int default_process_limit = 100;
  std::vector<std::string> disabled;  // master_service_disable, split
  // Is there a program of that name in daemon_directory?
  std::function<bool(std::string_view)> executable_exists;
};

Plan make_plan(const std::vector<config::ServiceRow>& rows,
               const PlanFacts& facts);

// Rows of the plan's units whose sockets master binds.
std::vector<config::ServiceRow> listening_rows(const Plan& plan);

// master_service_disable: "name/type", "name.type" (old form), "type" or
// "all"; the last match counts, `!` negates.
bool is_disabled(const config::ServiceRow& row,
                 const std::vector<std::string>& patterns);

}  // namespace postern::master
