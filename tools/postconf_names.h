// Which parameter names mean something in a configuration: built-in ones, those
// made of a service's name, and those that an administrator introduced by
// mentioning them (postconf(1), -C).
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config.h"
#include "common/config/master_table.h"

namespace postern::postconf {

enum class NameClass { unknown, builtin, service, user };

class NameSpace {
 public:
  NameSpace(const config::Config& config, const config::MasterTable& table);

  NameClass class_of(std::string_view name) const;
  // All names of one class, sorted.
  std::vector<std::string> builtin() const;
  std::vector<std::string> service() const;
  // Those that main.conf sets.
  std::vector<std::string> user() const;

  // "FILE: undefined parameter: NAME", for names that a value mentions and
  // nothing sets; the service table's first.
  std::vector<std::string> undefined() const;
  // "FILE: unused parameter: NAME=VALUE".
  std::vector<std::string> unused_in_main() const;
  std::vector<std::string> unused_in_master() const;

 private:
  void use_value(std::string_view value);
  void use_tables(std::string_view value);
  bool is_user_name(std::string_view name) const;

  const config::Config& config_;
  const config::MasterTable& table_;
  std::set<std::string, std::less<>> service_names_;
  std::set<std::string, std::less<>> mentioned_;
  // `people_` with the table type, from `ldap:people`.
  std::set<std::pair<std::string, std::string>> table_names_;
};

}  // namespace postern::postconf
