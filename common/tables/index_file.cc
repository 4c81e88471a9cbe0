#include "common/tables/index_file.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <cerrno>

#include "common/os/files.h"
#include "common/tables/new_file.h"

namespace postern::tables {
namespace {

// PRAGMA application_id: "PstN"; PRAGMA user_version.
constexpr int application_id = 0x5073744e;
constexpr int format_version = 1;

constexpr std::size_t header_size = 100;

unsigned big_endian(std::string_view bytes, std::size_t at) {
  unsigned value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

unsigned little_endian(std::string_view bytes, std::size_t at) {
  unsigned value = 0;
  for (std::size_t i = 4; i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

bool is_berkeley_magic(unsigned value) {
  return value == 0x00061561 || value == 0x00053162;  // hash, btree
}

// A "file:" name for SQLite.
std::string uri(const std::string& path, std::string_view query) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "file:";
  for (const char c : path) {
    if (c == '?' || c == '#' || c == '%') {
      const auto byte = static_cast<unsigned char>(c);
      text += '%';
      text += digits[byte >> 4];
      text += digits[byte & 15];
    } else {
      text += c;
    }
  }
  return text + "?" + std::string(query);
}

Trouble sqlite_trouble(const std::string& path, sqlite3* database) {
  return try_later("3.0",
                   "database " + path + ": " +
                       (database ? sqlite3_errmsg(database) : "out of memory"));
}

Result<Statement> prepare(const std::string& path, sqlite3* database,
                          const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(
      database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return sqlite_trouble(path, database);
  return Statement(statement);
}

std::string_view column(sqlite3_stmt* row, int number) {
  const void* bytes = sqlite3_column_blob(row, number);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(row, number))};
}

void bind_bytes(sqlite3_stmt* statement, int number, std::string_view bytes) {
  // A null pointer would bind NULL, not the empty text.
  sqlite3_bind_blob64(statement, number, bytes.empty() ? "" : bytes.data(),
                      bytes.size(), SQLITE_STATIC);
}

std::string_view without_nul(std::string_view bytes) {
  if (!bytes.empty() && bytes.back() == '\0') bytes.remove_suffix(1);
  return bytes;
}

// Says what is wrong with a file that begins so.
Status check_head(const std::string& head, const std::string& path,
                  const std::string& rebuild);

Status check_file(const std::string& path, const std::string& rebuild) {
  Result<Fd> file = os::open_file(path, O_RDONLY);
  if (!file) {
    std::string why = file.trouble().text;
    if (why.starts_with("open ")) why.replace(0, 5, "open database ");
    return try_later("3.0", std::move(why));
  }
  Result<std::string> head = os::read_at(file->get(), header_size, 0, path);
  if (!head) return head.trouble();
  return check_head(*head, path, rebuild);
}

Status check_head(const std::string& head, const std::string& path,
                  const std::string& rebuild) {
  const std::string advice =
      rebuild.empty() ? "" : "; rebuild it with \"" + rebuild + "\"";
  switch (recognise(head)) {
    case IndexFile::index:
      break;
    case IndexFile::berkeley_db:
      return try_later("3.5", "open database " + path +
                                  ": this is a Berkeley DB file, as Postfix "
                                  "makes them, not an index of Postern" +
                                  advice);
    case IndexFile::other:
      return try_later("3.5", "open database " + path +
                                  ": this is not an index of Postern" + advice);
  }
  if (big_endian(head, 60) != format_version)
    return try_later("3.5", "open database " + path +
                                ": an index of another version" + advice);
  return {};
}

}  // namespace

void CloseDatabase::operator()(sqlite3* database) const {
  sqlite3_close(database);
}

void FinishStatement::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

IndexFile recognise(std::string_view head) {
  constexpr std::string_view sqlite_magic("SQLite format 3\0", 16);
  if (head.size() >= header_size && head.starts_with(sqlite_magic) &&
      big_endian(head, 68) == application_id)
    return IndexFile::index;
  // Version 2 and later at 12, 1.85 at 0; in the maker's byte order.
  for (const std::size_t at : {std::size_t{12}, std::size_t{0}})
    if (head.size() >= at + 4 && (is_berkeley_magic(big_endian(head, at)) ||
                                  is_berkeley_magic(little_endian(head, at))))
      return IndexFile::berkeley_db;
  return IndexFile::other;
}

// ---- reading ----------------------------------------------------------------

Result<IndexReader> IndexReader::open(const std::string& path,
                                      const std::string& rebuild) {
  const Status checked = check_file(path, rebuild);
  if (!checked.ok()) return checked.trouble();
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(
      uri(path, "immutable=1").c_str(), &database,
      SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nullptr);
  Database owned(database);
  if (code != SQLITE_OK) return sqlite_trouble(path, database);
  return prepare_reader(path, std::move(owned));
}

Result<IndexReader> IndexReader::from_bytes(const std::string& path,
                                            std::string bytes,
                                            const std::string& rebuild) {
  const Status checked =
      check_head(bytes.substr(0, header_size), path, rebuild);
  if (!checked.ok()) return checked.trouble();
  auto kept = std::make_unique<std::string>(std::move(bytes));
  sqlite3* database = nullptr;
  int code = sqlite3_open_v2(":memory:", &database,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                             nullptr);
  Database owned(database);
  const auto size = static_cast<sqlite3_int64>(kept->size());
  if (code == SQLITE_OK)
    code = sqlite3_deserialize(
        database, "main", reinterpret_cast<unsigned char*>(kept->data()), size,
        size, SQLITE_DESERIALIZE_READONLY);
  if (code != SQLITE_OK) return sqlite_trouble(path, database);
  Result<IndexReader> reader = prepare_reader(path, std::move(owned));
  if (reader) reader->bytes_ = std::move(kept);
  return reader;
}

Result<IndexReader> IndexReader::prepare_reader(const std::string& path,
                                                Database owned) {
  IndexReader reader;
  reader.path_ = path;
  reader.database_ = std::move(owned);
  sqlite3* database = reader.database_.get();
  Result<Statement> about =
      prepare(path, database, "SELECT made_by, nul FROM about");
  if (!about) return about.trouble();
  if (sqlite3_step(about->get()) == SQLITE_ROW) {
    reader.made_by_ = column(about->get(), 0);
    reader.nul_ = sqlite3_column_int(about->get(), 1) != 0;
  }
  Result<Statement> select =
      prepare(path, database, "SELECT value FROM entries WHERE key = ?1");
  if (!select) return select.trouble();
  reader.select_ = std::move(*select);
  return reader;
}

Trouble IndexReader::trouble() const {
  return sqlite_trouble(path_, database_.get());
}

Found IndexReader::get(std::string_view key) {
  std::string with_nul;
  if (nul_) {
    with_nul.assign(key).push_back('\0');
    key = with_nul;
  }
  bind_bytes(select_.get(), 1, key);
  const int code = sqlite3_step(select_.get());
  Found found = std::optional<std::string>();
  if (code == SQLITE_ROW) {
    const std::string_view value = column(select_.get(), 0);
    found = std::optional<std::string>(nul_ ? without_nul(value) : value);
  } else if (code != SQLITE_DONE) {
    found = trouble();
  }
  sqlite3_reset(select_.get());
  sqlite3_clear_bindings(select_.get());
  return found;
}

Status IndexReader::for_each(const Table::Visit& visit) {
  Result<Statement> all =
      prepare(path_, database_.get(), "SELECT key, value FROM entries");
  if (!all) return all.trouble();
  int code = SQLITE_OK;
  while ((code = sqlite3_step(all->get())) == SQLITE_ROW) {
    const std::string_view key = column(all->get(), 0);
    const std::string_view value = column(all->get(), 1);
    visit(nul_ ? without_nul(key) : key, nul_ ? without_nul(value) : value);
  }
  if (code != SQLITE_DONE) return trouble();
  return {};
}

// ---- writing ----------------------------------------------------------------

namespace {

class IndexWriter : public TableWriter {
 public:
  IndexWriter(NewFile file, const WriterOptions& options)
      : file_(std::move(file)), options_(options) {}

  Status start() {
    sqlite3* database = nullptr;
    const int code =
        sqlite3_open_v2(uri(file_.name(), "mode=rwc").c_str(), &database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                            SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                        nullptr);
    database_.reset(database);
    if (code != SQLITE_OK) return trouble();
    // The file has no name that counts yet: no journal, no sync until the end.
    Status status =
        run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -65536;");
    if (!status.ok()) return status;
    const bool fresh = !(options_.keep && file_.had_old());
    if (fresh) {
      status = run("PRAGMA page_size = 4096; PRAGMA application_id = " +
                   std::to_string(application_id) + "; PRAGMA user_version = " +
                   std::to_string(format_version) + ";");
      if (!status.ok()) return status;
    }
    status = run("BEGIN");
    if (!status.ok()) return status;
    return fresh ? make_tables() : read_about();
  }

  Result<bool> put(std::string_view key, std::string_view value,
                   bool replace) override {
    Statement& statement = replace ? replace_ : insert_;
    if (!statement) {
      Result<Statement> prepared =
          prepare(file_.name(), database_.get(),
                  replace ? "INSERT OR REPLACE INTO entries VALUES(?1, ?2)"
                          : "INSERT OR IGNORE INTO entries VALUES(?1, ?2)");
      if (!prepared) return prepared.trouble();
      statement = std::move(*prepared);
    }
    bind_bytes(statement.get(), 1, stored(key, key_));
    bind_bytes(statement.get(), 2, stored(value, value_));
    return step(statement);
  }

  Result<bool> remove(std::string_view key) override {
    if (!remove_) {
      Result<Statement> prepared = prepare(
          file_.name(), database_.get(), "DELETE FROM entries WHERE key = ?1");
      if (!prepared) return prepared.trouble();
      remove_ = std::move(*prepared);
    }
    bind_bytes(remove_.get(), 1, stored(key, key_));
    return step(remove_);
  }

  Status commit() override {
    const Status status = run("COMMIT");
    if (!status.ok()) return status;
    insert_.reset();
    replace_.reset();
    remove_.reset();
    database_.reset();
    return file_.finish();
  }

 private:
  Trouble trouble() { return sqlite_trouble(file_.name(), database_.get()); }

  Status run(const std::string& sql) {
    if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) !=
        SQLITE_OK)
      return trouble();
    return {};
  }

  Status make_tables() {
    nul_ = options_.nul;
    const Status status =
        run("CREATE TABLE entries(key BLOB PRIMARY KEY, value BLOB NOT NULL)"
            " WITHOUT ROWID;"
            "CREATE TABLE about(made_by TEXT, nul INTEGER);");
    if (!status.ok()) return status;
    Result<Statement> about = prepare(file_.name(), database_.get(),
                                      "INSERT INTO about VALUES(?1, ?2)");
    if (!about) return about.trouble();
    sqlite3_bind_text(about->get(), 1, options_.made_by.c_str(), -1,
                      SQLITE_STATIC);
    sqlite3_bind_int(about->get(), 2, nul_ ? 1 : 0);
    if (sqlite3_step(about->get()) != SQLITE_DONE) return trouble();
    return {};
  }

  Status read_about() {
    Result<Statement> about =
        prepare(file_.name(), database_.get(), "SELECT nul FROM about");
    if (!about) return about.trouble();
    if (sqlite3_step(about->get()) == SQLITE_ROW)
      nul_ = sqlite3_column_int(about->get(), 0) != 0;
    return {};
  }

  // With its NUL, if this table has them; then `buffer` holds it.
  std::string_view stored(std::string_view text, std::string& buffer) const {
    if (!nul_) return text;
    buffer.assign(text).push_back('\0');
    return buffer;
  }

  // Whether a row changed.
  Result<bool> step(Statement& statement) {
    const int code = sqlite3_step(statement.get());
    const int changes = sqlite3_changes(database_.get());
    sqlite3_reset(statement.get());
    if (code != SQLITE_DONE) return trouble();
    return changes > 0;
  }

  NewFile file_;
  WriterOptions options_;
  Database database_;
  Statement insert_;
  Statement replace_;
  Statement remove_;
  std::string key_;
  std::string value_;
  bool nul_ = false;
};

}  // namespace

Result<std::unique_ptr<TableWriter>> write_index(const std::string& path,
                                                 const WriterOptions& options) {
  Result<NewFile> file = NewFile::create(path, options.keep, options.mode);
  if (!file) return file.trouble();
  if (options.keep && file->had_old()) {
    const Status checked = check_file(path, options.rebuild);
    if (!checked.ok()) return checked.trouble();
  }
  auto writer = std::make_unique<IndexWriter>(std::move(*file), options);
  const Status started = writer->start();
  if (!started.ok()) return started.trouble();
  return std::unique_ptr<TableWriter>(std::move(writer));
}

}  // namespace postern::tables
