// The indexed store behind hash: and btree: tables, NAME.db: one SQLite file,
// never changed once it has its name. Writers make a new file and rename it,
// so readers need no lock. The format is in docs/formats/index.md.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/tables/table.h"

struct sqlite3;
struct sqlite3_stmt;

namespace postern::tables {

struct CloseDatabase {
  void operator()(sqlite3* database) const;
};
struct FinishStatement {
  void operator()(sqlite3_stmt* statement) const;
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;

// What a file that should be an index turns out to be.
enum class IndexFile { index, berkeley_db, other };
IndexFile recognise(std::string_view first_bytes);

class IndexReader {
 public:
  // Trouble: "open database PATH: …", or what the file is instead of an
  // index. `rebuild` is the command to name ("postmap hash:/x").
  static Result<IndexReader> open(const std::string& path,
                                  const std::string& rebuild);

  // Of a file's content, for who cannot open it by name; `path` is for
  // messages.
  static Result<IndexReader> from_bytes(const std::string& path,
                                        std::string bytes,
                                        const std::string& rebuild);

  Found get(std::string_view key);
  Status for_each(const Table::Visit& visit);
  // The program that made it: "postmap", "postalias".
  const std::string& made_by() const { return made_by_; }

 private:
  Trouble trouble() const;
  static Result<IndexReader> prepare_reader(const std::string& path,
                                            Database database);
  std::string path_;
  std::unique_ptr<std::string> bytes_;  // goes after the database
  Database database_;
  Statement select_;  // goes before the database
  std::string made_by_;
  bool nul_ = false;  // keys and values end with a NUL (postmap -N)
};

// Adds to or takes from a table's file; nothing shows before commit().
class TableWriter {
 public:
  virtual ~TableWriter() = default;
  // False: the key is there already and `replace` is off.
  virtual Result<bool> put(std::string_view key, std::string_view value,
                           bool replace) = 0;
  // False: no such key.
  virtual Result<bool> remove(std::string_view key) = 0;
  virtual Status commit() = 0;
};

struct WriterOptions {
  // Keep what the file holds (postmap -i, -d); otherwise start empty.
  bool keep = false;
  // Of a new file; one that is there keeps its own.
  mode_t mode = 0644;
  bool nul = false;
  std::string made_by = "postmap";
  std::string rebuild;  // for messages, see IndexReader::open
  // lmdb: bytes of keys and values to come, and lmdb_map_size.
  std::size_t expected_bytes = 0;
  std::size_t map_size = 16u << 20;
};

Result<std::unique_ptr<TableWriter>> write_index(const std::string& path,
                                                 const WriterOptions& options);

}  // namespace postern::tables
