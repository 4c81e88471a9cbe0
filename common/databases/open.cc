#include "common/databases/open.h"

#include "common/databases/openers.h"

namespace postern::databases {
namespace {

using tables::Kind;

struct Row {
  std::string_view type;
  Kind kind;
  Opened (*open)(const Context&);  // null: not built in
};

#ifdef WITH_LDAP
constexpr auto ldap = open_ldap;
#else
constexpr Opened (*ldap)(const Context&) = nullptr;
#endif
#ifdef WITH_MYSQL
constexpr auto mysql = open_mysql;
#else
constexpr Opened (*mysql)(const Context&) = nullptr;
#endif
#ifdef WITH_PGSQL
constexpr auto pgsql = open_pgsql;
#else
constexpr Opened (*pgsql)(const Context&) = nullptr;
#endif

constexpr Row rows[] = {
    {"ldap", Kind::ldap, ldap},
    {"memcache", Kind::memcache, open_memcache},
    {"mysql", Kind::mysql, mysql},
    {"nis", Kind::nis, nullptr},
    {"pgsql", Kind::pgsql, pgsql},
    {"socketmap", Kind::socketmap, open_socketmap},
    {"sqlite", Kind::sqlite, open_sqlite},
    {"tcp", Kind::tcp, open_tcp},
};

const Row* row_of(Kind kind) {
  for (const Row& row : rows)
    if (row.kind == kind) return &row;
  return nullptr;
}

}  // namespace

Opener::Opener(const config::Config* main) : main_(main) {}
Opener::~Opener() = default;

std::shared_ptr<Health> Opener::health_of(const std::string& table) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Health>& health = health_[table];
  if (!health) health = std::make_shared<Health>();
  return health;
}

Result<std::unique_ptr<tables::Table>> Opener::open(
    const tables::Spec& spec, const tables::OpenOptions& options) {
  const Row* row = row_of(spec.kind);
  if (row == nullptr || row->open == nullptr)
    return give_up("3.5", "unsupported dictionary type: " + spec.type +
                              ": it is not built in");
  return row->open({spec, options, main_, health_of(spec.text())});
}

decltype(tables::OpenOptions::other) Opener::function() {
  return [this](const tables::Spec& spec, const tables::OpenOptions& options) {
    return open(spec, options);
  };
}

}  // namespace postern::databases
