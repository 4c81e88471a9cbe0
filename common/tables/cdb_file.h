// cdb: tables, NAME.cdb: constant databases in the public format of D. J.
// Bernstein (https://cr.yp.to/cdb/cdb.txt), as Postfix and tinycdb make them:
// 256 hash tables at the end of the file, their places at its start. A file is
// at most 4 GiB, never changed once it has its name, and read by mapping it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/tables/index_file.h"

namespace postern::tables {

class CdbReader {
 public:
  // Trouble: "open database PATH: …", or a file that is too short to be one.
  static Result<CdbReader> open(const std::string& path);
  // From bytes that must outlive the reader: for tests of broken files.
  static CdbReader of(std::string_view bytes, std::string path);

  // The first of several values of a key, stored with or without a final NUL.
  Found get(std::string_view key) const;
  Status for_each(const Table::Visit& visit) const;

 private:
  struct Unmap {
    std::size_t size;
    void operator()(const char* bytes) const;
  };
  Trouble broken() const;
  Result<std::optional<std::string_view>> find(std::string_view key) const;

  std::string path_;
  std::unique_ptr<const char, Unmap> map_{nullptr, Unmap{0}};
  std::string_view bytes_;
};

// The format cannot be changed in place: to add or remove, all of the old file
// is read and written anew.
Result<std::unique_ptr<TableWriter>> write_cdb(const std::string& path,
                                               const WriterOptions& options);

}  // namespace postern::tables
