#include "common/databases/types.h"

#include <algorithm>

#include "common/tables/spec.h"

namespace postern::databases {
namespace {

struct Row {
  std::string_view type;
  bool built_in;
};

#ifdef WITH_LDAP
constexpr bool with_ldap = true;
#else
constexpr bool with_ldap = false;
#endif
#ifdef WITH_MYSQL
constexpr bool with_mysql = true;
#else
constexpr bool with_mysql = false;
#endif
#ifdef WITH_PGSQL
constexpr bool with_pgsql = true;
#else
constexpr bool with_pgsql = false;
#endif

// "internal" is what programs keep in their own memory: Postfix lists it.
constexpr Row rows[] = {
    {"internal", true},   {"ldap", with_ldap},   {"memcache", true},
    {"mysql", with_mysql}, {"nis", false},       {"pgsql", with_pgsql},
    {"proxy", true},      {"socketmap", true},   {"sqlite", true},
    {"tcp", true},
};

}  // namespace

std::vector<std::string> table_types() {
  std::vector<std::string> types = tables::table_types();
  for (const Row& row : rows)
    if (row.built_in) types.emplace_back(row.type);
  std::sort(types.begin(), types.end());
  return types;
}

bool not_built_in(std::string_view type) {
  return std::any_of(std::begin(rows), std::end(rows), [&](const Row& row) {
    return row.type == type && !row.built_in;
  });
}

}  // namespace postern::databases
