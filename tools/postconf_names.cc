#include "tools/postconf_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "common/base/text.h"
#include "common/config/check.h"
#include "common/config/service_parameters.h"

namespace postern::postconf {
namespace {

// Parameters of a table that is configured in main.conf by its name, as
// NAME_suffix: ldap_table(5), mysql_table(5) and so on.
const std::map<std::string, std::string, std::less<>>& table_suffixes() {
  static const std::map<std::string, std::string, std::less<>> all = {
      {"ldap",
       "server_host server_port search_base timeout domain query_filter "
       "result_format result_filter result_attribute special_result_attribute "
       "terminal_result_attribute leaf_result_attribute scope bind bind_dn "
       "bind_pw sasl_mechs sasl_realm sasl_authz_id sasl_minssf cache "
       "cache_expiry cache_size recursion_limit expansion_limit size_limit "
       "dereference chase_referrals version debuglevel start_tls "
       "tls_ca_cert_file tls_ca_cert_dir tls_cert tls_key "
       "tls_require_cert tls_random_file tls_cipher_suite"},
      {"mysql",
       "hosts user password dbname domain query result_format "
       "expansion_limit table select_field where_field additional_conditions "
       "require_result_set option_file option_group tls_cert_file "
       "tls_key_file tls_CAfile tls_CApath tls_verify_cert tls_ciphers "
       "result_filter charset idle_interval retry_interval"},
      {"pgsql",
       "hosts user password dbname domain query result_format "
       "expansion_limit select_function table select_field where_field "
       "additional_conditions result_filter encoding idle_interval "
       "retry_interval"},
      {"sqlite",
       "dbpath domain query result_format expansion_limit table select_field "
       "where_field additional_conditions result_filter"},
      {"memcache",
       "memcache backup data_size_limit domain flags key_format "
       "line_size_limit max_try retry_pause timeout ttl"},
  };
  return all;
}

bool contains(const auto& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

// Values that are expanded by their reader, with names of its own.
bool is_raw(std::string_view name) {
  const config::Row* row = config::find_row(name);
  return row && row->kind == config::Kind::raw;
}

}  // namespace

NameSpace::NameSpace(const config::Config& config,
                     const config::MasterTable& table)
    : config_(config), table_(table) {
  for (const config::ServiceRow& row : table.rows()) {
    if (contains(config::transport_programs, row.program))
      for (const config::Row& part : config::transport_rows)
        service_names_.insert(row.name + std::string(part.name));
    if (contains(config::command_programs, row.program))
      for (const config::Row& part : config::command_rows)
        service_names_.insert(row.name + std::string(part.name));
    for (const auto& [name, value] : row.overrides) use_value(value);
    for (const auto& [name, value] : row.overrides)
      if (name == "smtpd_restriction_classes")
        for (const std::string& one : split_words(config.expand(value)))
          mentioned_.insert(one);
  }
  for (const config::Row& row : config::parameters) use_value(row.initial);
  for (const auto& [name, setting] : config.settings())
    use_value(setting.value);
  for (const std::string& name :
       split_words(config.get<"smtpd_restriction_classes">()))
    mentioned_.insert(name);
  std::erase_if(service_names_,
                [](const auto& name) { return config::find_row(name); });
}

void NameSpace::use_value(std::string_view value) {
  for (const std::string& name : config::referenced_names(value))
    mentioned_.insert(name);
  use_tables(value);
}

void NameSpace::use_tables(std::string_view value) {
  for (std::string_view rest : split_words(value, ", \t\r\n{}")) {
    while (rest.starts_with("proxy:")) rest.remove_prefix(6);
    std::size_t colon = rest.find(':');
    if (colon == std::string_view::npos) continue;
    std::string type(rest.substr(0, colon));
    std::string name(rest.substr(colon + 1));
    if (table_suffixes().contains(type) && !name.empty() &&
        name.find('/') == std::string::npos)
      table_names_.emplace(name + "_", type);
  }
}

bool NameSpace::is_user_name(std::string_view name) const {
  if (mentioned_.contains(name)) return true;
  for (const auto& [prefix, type] : table_names_) {
    if (!name.starts_with(prefix)) continue;
    auto suffixes = split_words(table_suffixes().at(type));
    if (contains(suffixes, name.substr(prefix.size()))) return true;
  }
  return false;
}

NameClass NameSpace::class_of(std::string_view name) const {
  if (config::find_row(name)) return NameClass::builtin;
  if (service_names_.contains(name)) return NameClass::service;
  if (config_.is_set(name) && is_user_name(name)) return NameClass::user;
  return NameClass::unknown;
}

std::vector<std::string> NameSpace::builtin() const {
  std::vector<std::string> names;
  for (const config::Row& row : config::parameters)
    names.emplace_back(row.name);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> NameSpace::service() const {
  return {service_names_.begin(), service_names_.end()};
}

std::vector<std::string> NameSpace::user() const {
  std::vector<std::string> names;
  for (const auto& [name, setting] : config_.settings())
    if (class_of(name) == NameClass::user) names.push_back(name);
  return names;
}

std::vector<std::string> NameSpace::undefined() const {
  std::vector<std::string> found;
  auto known = [&](std::string_view name) {
    return config::find_row(name) || service_names_.contains(name) ||
           config_.is_set(name);
  };
  auto add = [&](const std::string& file, const std::string& name) {
    std::string line = file + ": undefined parameter: " + name;
    if (!contains(found, line)) found.push_back(std::move(line));
  };
  for (const config::ServiceRow& row : table_.rows())
    for (const auto& [name, value] : row.overrides)
      for (const std::string& one : config::referenced_names(value)) {
        auto same = [&](const auto& pair) { return pair.first == one; };
        bool own = std::any_of(row.overrides.begin(), row.overrides.end(),
                               same);
        if (!own && !known(one) && !is_raw(name)) add(table_.file(), one);
      }
  for (const auto& [name, setting] : config_.settings())
    for (const std::string& one : config::referenced_names(setting.value))
      if (!known(one) && !is_raw(name)) add(config_.file(), one);
  return found;
}

std::vector<std::string> NameSpace::unused_in_main() const {
  std::vector<std::string> found;
  for (const auto& [name, setting] : config_.settings())
    if (class_of(name) == NameClass::unknown)
      found.push_back(fmt::format("{}: unused parameter: {}={}",
                                  config_.file(), name, setting.value));
  return found;
}

std::vector<std::string> NameSpace::unused_in_master() const {
  std::vector<std::string> found;
  for (const config::ServiceRow& row : table_.rows())
    for (const auto& [name, value] : row.overrides)
      if (!config::find_row(name) && !service_names_.contains(name) &&
          !is_user_name(name))
        found.push_back(fmt::format("{}: unused parameter: {}={}",
                                    table_.file(), name, value));
  return found;
}

}  // namespace postern::postconf
