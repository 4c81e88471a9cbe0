#include "common/credentials/store.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "common/base/text.h"
#include "common/credentials/digest.h"
#include "common/credentials/saslprep.h"
#include "common/os/files.h"

namespace postern::credentials {
namespace {

// PRAGMA application_id: "PstU"; PRAGMA user_version.
constexpr int application_id = 0x50737455;
constexpr int format_version = 1;
// How long somebody else's change is waited for.
constexpr int patience_ms = 5000;
constexpr std::size_t secret_size = 32;

constexpr const char* tables =
    "CREATE TABLE users(name TEXT PRIMARY KEY, disabled INTEGER NOT NULL,"
    " made INTEGER NOT NULL, changed INTEGER NOT NULL,"
    " logged_in INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE keys(name TEXT NOT NULL, kind TEXT NOT NULL,"
    " value TEXT NOT NULL, PRIMARY KEY(name, kind),"
    " FOREIGN KEY(name) REFERENCES users(name) ON DELETE CASCADE)"
    " WITHOUT ROWID;"
    "CREATE TABLE about(secret BLOB NOT NULL);";

constexpr const char* open_pragmas =
    "PRAGMA temp_store=memory; PRAGMA foreign_keys=on;"
    "PRAGMA synchronous=full; PRAGMA secure_delete=on;";

}  // namespace

// One statement, finished when it goes.
class Store::Statement {
 public:
  Statement(sqlite3* database, const char* sql) {
    sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& text(int number, std::string_view value) {
    sqlite3_bind_text64(statement_, number, value.empty() ? "" : value.data(),
                        value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    return *this;
  }
  Statement& blob(int number, std::string_view value) {
    sqlite3_bind_blob64(statement_, number, value.data(), value.size(),
                        SQLITE_TRANSIENT);
    return *this;
  }
  Statement& number(int at, std::int64_t value) {
    sqlite3_bind_int64(statement_, at, value);
    return *this;
  }
  // SQLITE_ROW, SQLITE_DONE, or an error.
  int step() {
    return statement_ ? sqlite3_step(statement_) : SQLITE_ERROR;
  }
  std::string text_of(int column) {
    const void* bytes = sqlite3_column_blob(statement_, column);
    if (bytes == nullptr) return {};
    return {static_cast<const char*>(bytes),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }
  std::int64_t number_of(int column) {
    return sqlite3_column_int64(statement_, column);
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

std::string store_path(const std::string& directory) {
  return directory + "/users.db";
}

Store::Store(std::string path, sqlite3* database)
    : path_(std::move(path)), database_(database) {}
Store::Store(Store&& other) noexcept
    : path_(std::move(other.path_)),
      database_(std::exchange(other.database_, nullptr)),
      secret_(std::move(other.secret_)) {}
Store& Store::operator=(Store&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(database_, other.database_);
  std::swap(secret_, other.secret_);
  return *this;
}
Store::~Store() { sqlite3_close(database_); }

Trouble Store::trouble() const {
  return try_later("3.0", "user store " + path_ + ": " +
                              (database_ ? sqlite3_errmsg(database_)
                                         : "out of memory"));
}

bool Store::missing(const Trouble& trouble) { return trouble.detail == "4.4"; }

Result<Store> Store::open(const std::string& path, Open how) {
  struct stat facts;
  if (how == Open::existing && ::stat(path.c_str(), &facts) != 0 &&
      errno == ENOENT)
    return try_later("4.4", "there is no user store " + path +
                                "; \"postuser add\" makes it");
  sqlite3* database = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                    (how == Open::create ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  Store store(path, database);
  if (code != SQLITE_OK) return store.trouble();
  sqlite3_busy_timeout(database, patience_ms);
  if (Status ready = store.prepare_file(); !ready) return ready.trouble();
  return store;
}

Status Store::prepare_file() {
  if (Status done = run(open_pragmas); !done) return done;
  std::int64_t id = 0, version = 0;
  {
    Statement asked(database_, "PRAGMA application_id");
    if (asked.step() != SQLITE_ROW) return trouble();
    id = asked.number_of(0);
    Statement second(database_, "PRAGMA user_version");
    if (second.step() != SQLITE_ROW) return trouble();
    version = second.number_of(0);
    Statement third(database_, "SELECT count(*) FROM sqlite_master");
    if (third.step() != SQLITE_ROW) return trouble();
    if (id == 0 && version == 0 && third.number_of(0) == 0) version = -1;
  }
  if (version == -1) {
    if (::chmod(path_.c_str(), 0600) != 0)
      return os::system_trouble("change mode of " + path_, errno);
    if (Status done = run("PRAGMA journal_mode=wal; BEGIN IMMEDIATE"); !done)
      return done;
    // Somebody else may have been quicker.
    Statement again(database_, "SELECT count(*) FROM sqlite_master");
    if (again.step() != SQLITE_ROW) return trouble();
    if (again.number_of(0) == 0) {
      if (Status done = run(tables); !done) return done;
      Statement insert(database_, "INSERT INTO about VALUES(?)");
      insert.blob(1, random_bytes(secret_size));
      if (insert.step() != SQLITE_DONE) return trouble();
      const std::string marks =
          "PRAGMA application_id=" + std::to_string(application_id) +
          "; PRAGMA user_version=" + std::to_string(format_version);
      if (Status done = run(marks.c_str()); !done) return done;
    }
    if (Status done = commit(); !done) return done;
  } else if (id != application_id || version != format_version) {
    return try_later("3.5", "user store " + path_ +
                                ": this is not a user store of this version");
  }
  Statement secret(database_, "SELECT secret FROM about");
  if (secret.step() != SQLITE_ROW) return trouble();
  secret_ = secret.text_of(0);
  return {};
}

Status Store::run(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return trouble();
  return {};
}

Status Store::begin() { return run("BEGIN IMMEDIATE"); }
Status Store::commit() { return run("COMMIT"); }

Result<bool> Store::change(Statement& statement) {
  if (statement.step() != SQLITE_DONE) return trouble();
  return sqlite3_changes(database_) > 0;
}

Result<Keys> Store::keys_of(std::string_view name) {
  Statement select(database_,
                   "SELECT kind, value FROM keys WHERE name=? ORDER BY kind");
  select.text(1, name);
  Keys keys;
  int code = 0;
  while ((code = select.step()) == SQLITE_ROW)
    keys.push_back({select.text_of(0), select.text_of(1)});
  if (code != SQLITE_DONE) return trouble();
  return keys;
}

Result<std::optional<Account>> Store::find(std::string_view name) {
  Statement select(database_,
                   "SELECT name, disabled, made, changed, logged_in "
                   "FROM users WHERE name=?");
  select.text(1, name_key(name));
  const int code = select.step();
  if (code == SQLITE_DONE) return std::optional<Account>();
  if (code != SQLITE_ROW) return trouble();
  Account account{select.text_of(0),   select.number_of(1) != 0,
                  select.number_of(2), select.number_of(3),
                  select.number_of(4), {}};
  Result<Keys> keys = keys_of(account.name);
  if (!keys) return keys.trouble();
  account.keys = std::move(*keys);
  return std::optional<Account>(std::move(account));
}

Result<std::vector<Account>> Store::list() {
  Statement select(database_,
                   "SELECT name, disabled, made, changed, logged_in "
                   "FROM users ORDER BY name");
  std::vector<Account> accounts;
  int code = 0;
  while ((code = select.step()) == SQLITE_ROW) {
    Account account{select.text_of(0),   select.number_of(1) != 0,
                    select.number_of(2), select.number_of(3),
                    select.number_of(4), {}};
    Result<Keys> keys = keys_of(account.name);
    if (!keys) return keys.trouble();
    account.keys = std::move(*keys);
    accounts.push_back(std::move(account));
  }
  if (code != SQLITE_DONE) return trouble();
  return accounts;
}

Status Store::put_keys(std::string_view name, const Keys& keys) {
  Statement clear(database_, "DELETE FROM keys WHERE name=?");
  clear.text(1, name);
  if (clear.step() != SQLITE_DONE) return trouble();
  for (const Key& each : keys) {
    Statement insert(database_, "INSERT INTO keys VALUES(?, ?, ?)");
    insert.text(1, name).text(2, each.kind).text(3, each.value);
    if (insert.step() != SQLITE_DONE) return trouble();
  }
  return {};
}

namespace {

// Undone unless it is committed; within another one it is a part of that.
class Savepoint {
 public:
  explicit Savepoint(sqlite3* database) : database_(database) {
    open_ = sqlite3_exec(database_, "SAVEPOINT change", nullptr, nullptr,
                         nullptr) == SQLITE_OK;
  }
  ~Savepoint() {
    if (open_)
      sqlite3_exec(database_, "ROLLBACK TO change; RELEASE change", nullptr,
                   nullptr, nullptr);
  }
  Savepoint(const Savepoint&) = delete;
  Savepoint& operator=(const Savepoint&) = delete;
  bool commit() {
    if (!open_ || sqlite3_exec(database_, "RELEASE change", nullptr, nullptr,
                               nullptr) != SQLITE_OK)
      return false;
    open_ = false;
    return true;
  }

 private:
  sqlite3* database_;
  bool open_ = false;
};

}  // namespace

Result<bool> Store::add(std::string_view name, const Keys& keys, bool disabled,
                        std::int64_t now) {
  const std::string key = name_key(name);
  Savepoint together(database_);
  Statement insert(database_,
                   "INSERT INTO users VALUES(?, ?, ?, ?, 0) "
                   "ON CONFLICT DO NOTHING");
  insert.text(1, key).number(2, disabled).number(3, now).number(4, now);
  const Result<bool> added = change(insert);
  if (!added || !*added) return added;
  if (Status done = put_keys(key, keys); !done) return done.trouble();
  if (!together.commit()) return trouble();
  return true;
}

Result<bool> Store::set_keys(std::string_view name, const Keys& keys,
                             std::int64_t now) {
  const std::string key = name_key(name);
  Savepoint together(database_);
  Statement update(database_, "UPDATE users SET changed=? WHERE name=?");
  update.number(1, now).text(2, key);
  const Result<bool> changed = change(update);
  if (!changed || !*changed) return changed;
  if (Status done = put_keys(key, keys); !done) return done.trouble();
  if (!together.commit()) return trouble();
  return true;
}

Result<bool> Store::upgrade(std::string_view name, const Keys& old,
                            const Keys& keys) {
  const std::string key = name_key(name);
  // Before it reads: so that nobody writes between reading and writing.
  if (Status begun = begin(); !begun) return begun.trouble();
  const Result<Keys> present = keys_of(key);
  bool same_keys = present.ok() && present->size() == old.size();
  for (std::size_t i = 0; same_keys && i < old.size(); ++i)
    same_keys = (*present)[i].kind == old[i].kind &&
                (*present)[i].value == old[i].value;
  Status done;
  if (same_keys) done = put_keys(key, keys);
  const Status ended = run(same_keys && done ? "COMMIT" : "ROLLBACK");
  if (!present) return present.trouble();
  if (!done) return done.trouble();
  if (!ended) return ended.trouble();
  return same_keys;
}

Result<bool> Store::set_disabled(std::string_view name, bool disabled) {
  Statement update(database_, "UPDATE users SET disabled=? WHERE name=?");
  update.number(1, disabled).text(2, name_key(name));
  return change(update);
}

Result<bool> Store::remove(std::string_view name) {
  Statement update(database_, "DELETE FROM users WHERE name=?");
  update.text(1, name_key(name));
  return change(update);
}

Result<bool> Store::note_login(std::string_view name, std::int64_t now) {
  Statement update(database_, "UPDATE users SET logged_in=? WHERE name=?");
  update.number(1, now).text(2, name_key(name));
  return change(update);
}

Result<Store::Kinds> Store::kinds() {
  Statement select(
      database_,
      "SELECT EXISTS(SELECT 1 FROM keys WHERE kind='cram-md5'),"
      " (SELECT count(*) FROM users u WHERE NOT disabled AND NOT EXISTS("
      "  SELECT 1 FROM keys k WHERE k.name=u.name"
      "  AND k.kind='scram-sha-256')),"
      " (SELECT count(*) FROM users u WHERE NOT disabled AND NOT EXISTS("
      "  SELECT 1 FROM keys k WHERE k.name=u.name AND k.kind='scram-sha-1'))");
  if (select.step() != SQLITE_ROW) return trouble();
  return Kinds{select.number_of(0) != 0, select.number_of(1),
               select.number_of(2)};
}

}  // namespace postern::credentials
