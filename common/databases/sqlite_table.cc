// sqlite: tables: a query to a database file. sqlite_table(5).
#include <sqlite3.h>

#include "common/databases/openers.h"
#include "common/databases/sql_table.h"

namespace postern::databases {
namespace {

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
  }
};
using Database = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

std::string quoted(std::string_view text) {
  std::string all;
  for (const char c : text) {
    // The statement ends at a NUL for SQLite: leave it out.
    if (c == '\0') continue;
    if (c == '\'') all += '\'';
    all += c;
  }
  return all;
}

class SqliteTable : public SqlTable {
 public:
  using SqlTable::SqlTable;

  Status open(const Context& context) {
    Result<Settings> settings = Settings::read(context.spec, context.main);
    if (!settings) return settings.trouble();
    const std::string path = settings->text("dbpath", "", 1);
    busy_ = static_cast<int>(settings->number("timeout", 10, 0, 3600)) * 1000;
    read_plan(*settings, context.options, false);
    if (Status read = settings->status(); !read.ok()) return read;
    settings->warn_unused(context.options.warn);
    return open_database(path);
  }

 protected:
  Result<Values> select(const Parts& key) override {
    const std::string sql = statement(key, quoted);
    Values values;
    const char* rest = sql.c_str();
    while (*rest != '\0') {
      sqlite3_stmt* raw = nullptr;
      if (sqlite3_prepare_v2(database_.get(), rest, -1, &raw, &rest) !=
          SQLITE_OK)
        return failed("SQL prepare failed");
      const Statement statement(raw);
      if (!statement) continue;  // only white space or a comment
      int code = SQLITE_OK;
      while ((code = sqlite3_step(raw)) == SQLITE_ROW) {
        const void* bytes = sqlite3_column_text(raw, 0);
        if (bytes == nullptr) continue;  // NULL, or no column
        values.emplace_back(
            static_cast<const char*>(bytes),
            static_cast<std::size_t>(sqlite3_column_bytes(raw, 0)));
      }
      if (code != SQLITE_DONE) return failed("SQL step failed");
    }
    return values;
  }

 private:
  Status open_database(const std::string& path) {
    sqlite3* database = nullptr;
    const int code = sqlite3_open_v2(
        path.c_str(), &database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
        nullptr);
    database_.reset(database);
    if (code != SQLITE_OK)
      return try_later("3.0", name() + ": Can't open database: " + path + ": " +
                                  sqlite3_errmsg(database));
    sqlite3_busy_timeout(database, busy_);
    return {};
  }

  Trouble failed(const std::string& what) const {
    return query_error(what + ": " + sqlite3_errmsg(database_.get()));
  }

  Database database_;
  int busy_ = 0;  // ms
};

}  // namespace

Opened open_sqlite(const Context& context) {
  auto table = std::make_unique<SqliteTable>(context.spec.text());
  const Status opened = table->open(context);
  if (!opened.ok()) return opened.trouble();
  return Opened(std::move(table));
}

}  // namespace postern::databases
