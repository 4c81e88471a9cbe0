// lmdb: tables, NAME.lmdb: as Postfix reads and writes them (one unnamed
// database, keys with or without a final NUL, fcntl locks around the whole
// file instead of LMDB's own). lmdb_table(5).
#pragma once

#include <lmdb.h>

#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/tables/index_file.h"

namespace postern::tables {

struct CloseEnvironment {
  void operator()(MDB_env* environment) const { mdb_env_close(environment); }
};
using Environment = std::unique_ptr<MDB_env, CloseEnvironment>;

class LmdbReader {
 public:
  static Result<LmdbReader> open(const std::string& path);

  Found get(std::string_view key);
  Status for_each(const Table::Visit& visit);

 private:
  std::string path_;
  Environment environment_;
  MDB_dbi database_ = 0;
};

Result<std::unique_ptr<TableWriter>> write_lmdb(const std::string& path,
                                                const WriterOptions& options);

}  // namespace postern::tables
