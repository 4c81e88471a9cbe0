#include "common/tables/cache_file.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstdio>
#include <vector>

namespace postern::tables {
namespace {

constexpr int busy_milliseconds = 500;

// No syncs: losing the youngest entries costs a few probes.
constexpr const char* set_up =
    "PRAGMA journal_mode = TRUNCATE;"
    "PRAGMA synchronous = OFF;"
    "CREATE TABLE IF NOT EXISTS cache"
    " (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;";

Statement prepare(sqlite3* database, const char* text) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(database, text, -1, &statement, nullptr);
  return Statement(statement);
}

void bind_text(const Statement& statement, int at, std::string_view text) {
  sqlite3_bind_text(statement.get(), at, text.data(),
                    static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

std::string column(const Statement& statement, int at) {
  const auto* text = reinterpret_cast<const char*>(
      sqlite3_column_text(statement.get(), at));
  const int size = sqlite3_column_bytes(statement.get(), at);
  return text == nullptr ? "" : std::string(text, static_cast<std::size_t>(size));
}

bool spoilt(sqlite3* database) {
  const int code = sqlite3_errcode(database) & 0xff;
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

}  // namespace

Trouble CacheFile::trouble() const {
  return try_later("3.0", fmt::format("cache {}: {}", path_,
                                      sqlite3_errmsg(database_.get())));
}

Status CacheFile::run(const char* statement) {
  if (sqlite3_exec(database_.get(), statement, nullptr, nullptr, nullptr) ==
      SQLITE_OK)
    return {};
  return trouble();
}

Result<CacheFile> CacheFile::open_once(const std::string& path) {
  CacheFile cache;
  cache.path_ = path.empty() ? "in memory" : path;
  sqlite3* database = nullptr;
  const int code =
      sqlite3_open_v2(path.empty() ? ":memory:" : path.c_str(), &database,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  cache.database_.reset(database);
  if (code != SQLITE_OK) return cache.trouble();
  sqlite3_busy_timeout(database, busy_milliseconds);
  const Status done = cache.run(set_up);
  if (!done) {
    Trouble why = done.trouble();
    if (spoilt(database)) why.lasting = Lasting::permanent;
    return why;
  }
  cache.get_ = prepare(database, "SELECT value FROM cache WHERE name = ?");
  cache.put_ = prepare(database, "INSERT OR REPLACE INTO cache VALUES (?, ?)");
  cache.remove_ = prepare(database, "DELETE FROM cache WHERE name = ?");
  if (!cache.get_ || !cache.put_ || !cache.remove_) {
    Trouble why = cache.trouble();
    why.lasting = Lasting::permanent;
    return why;
  }
  return cache;
}

Result<std::optional<std::string>> CacheFile::look(const std::string& path,
                                                   std::string_view key) {
  CacheFile cache;
  cache.path_ = path;
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &database,
                                   SQLITE_OPEN_READONLY, nullptr);
  cache.database_.reset(database);
  if (code != SQLITE_OK) return cache.trouble();
  sqlite3_busy_timeout(database, busy_milliseconds);
  cache.get_ = prepare(database, "SELECT value FROM cache WHERE name = ?");
  if (!cache.get_) return cache.trouble();
  return cache.get(key);
}

Result<CacheFile> CacheFile::open(const std::string& path, const Warn& warn) {
  Result<CacheFile> cache = open_once(path);
  if (cache || cache.trouble().temporary() || path.empty()) return cache;
  const std::string aside = path + ".damaged";
  warn(fmt::format("{}; it is set aside as {}, and the cache begins empty",
                   cache.trouble().text, aside));
  std::rename(path.c_str(), aside.c_str());
  return open_once(path);
}

Result<std::optional<std::string>> CacheFile::get(std::string_view key) {
  sqlite3_reset(get_.get());
  bind_text(get_, 1, key);
  std::optional<std::string> value;
  const int code = sqlite3_step(get_.get());
  if (code == SQLITE_ROW) value = column(get_, 0);
  const bool fine = code == SQLITE_ROW || code == SQLITE_DONE;
  sqlite3_reset(get_.get());
  if (!fine) return trouble();
  return value;
}

Status CacheFile::put(std::string_view key, std::string_view value) {
  sqlite3_reset(put_.get());
  bind_text(put_, 1, key);
  bind_text(put_, 2, value);
  const bool fine = sqlite3_step(put_.get()) == SQLITE_DONE;
  sqlite3_reset(put_.get());
  if (fine) return {};
  return trouble();
}

Status CacheFile::remove(std::string_view key) {
  sqlite3_reset(remove_.get());
  bind_text(remove_, 1, key);
  const bool fine = sqlite3_step(remove_.get()) == SQLITE_DONE;
  sqlite3_reset(remove_.get());
  if (fine) return {};
  return trouble();
}

Result<CacheFile::Counts> CacheFile::clean(const Drop& drop) {
  Counts counts;
  std::vector<std::string> gone;
  {
    const Statement all =
        prepare(database_.get(), "SELECT name, value FROM cache");
    if (!all) return trouble();
    for (;;) {
      const int code = sqlite3_step(all.get());
      if (code == SQLITE_DONE) break;
      if (code != SQLITE_ROW) return trouble();
      std::string key = column(all, 0);
      if (drop(key, column(all, 1)))
        gone.push_back(std::move(key));
      else
        ++counts.kept;
    }
  }
  Status done = run("BEGIN");
  for (const std::string& key : gone)
    if (done) done = remove(key);
  if (done) done = run("COMMIT");
  if (!done) return done.trouble();
  counts.dropped = gone.size();
  return counts;
}

std::string cache_path(std::string_view table,
                       const std::string& data_directory,
                       std::string* warning) {
  if (table.starts_with("proxy:")) table.remove_prefix(6);
  if (table.empty()) return "";
  const std::size_t colon = table.find(':');
  const std::string_view type =
      colon == std::string_view::npos ? "" : table.substr(0, colon);
  std::string path(colon == std::string_view::npos ? table
                                                   : table.substr(colon + 1));
  if (type == "memcache" || type == "redis") {
    *warning = fmt::format("{}: caches of type {} are not available; {}/{}.db "
                           "is used", table, type, data_directory,
                           "shared_cache");
    return data_directory + "/shared_cache.db";
  }
  const std::size_t slash = path.rfind('/');
  const bool below = path.starts_with(data_directory + "/");
  if (slash != std::string::npos && !below) {
    const std::string inside = data_directory + path.substr(slash);
    *warning = fmt::format("{}: caches are written below data_directory "
                           "alone; {}.db is used", table, inside);
    path = inside;
  }
  if (slash == std::string::npos) path = data_directory + "/" + path;
  return path + ".db";
}

}  // namespace postern::tables
