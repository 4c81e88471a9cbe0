// The parameters of an ldap: table, and the texts that are made from a key.
// ldap_table(5).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/databases/query.h"

namespace postern::databases {

struct LdapSettings {
  std::string uris;  // one or more, blanks between
  int version = 3;
  std::int64_t timeout = 10;  // s
  Template base;
  Template filter;
  int scope = 2;  // as LDAP_SCOPE_*: 0 base, 1 one level, 2 subtree
  bool bind = true;
  std::string bind_dn;
  std::string bind_password;
  std::vector<std::string> plain;     // result_attribute
  std::vector<std::string> special;   // special_result_attribute
  std::vector<std::string> terminal;  // terminal_result_attribute
  std::vector<std::string> leaf;      // leaf_result_attribute
  std::int64_t recursion_limit = 1000;
  std::int64_t size_limit = 0;
  int dereference = 0;
  bool chase_referrals = false;
  int debug_level = 0;
  bool start_tls = false;
  std::string tls_ca_directory;
  std::string tls_ca_file;
  std::string tls_certificate;
  std::string tls_key;
  bool tls_require_certificate = false;
  std::string tls_random_file;
  std::string tls_ciphers;
  Plan plan;

  // Remembers in `settings` what is wrong.
  static LdapSettings read(Settings& settings,
                           const tables::OpenOptions& options);
  bool tls_configured() const;
};

// "a:1 b ldaps://c" as a list of URIs.
std::string ldap_uris(std::string_view hosts, std::int64_t port);

// RFC 4515 section 3: the value of an assertion in a filter.
std::string ldap_filter_value(std::string_view text);
// RFC 4514 section 2.4: a value in a distinguished name.
std::string ldap_dn_value(std::string_view text);

}  // namespace postern::databases
