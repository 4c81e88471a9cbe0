// A cache that survives restarts: names and what was found out about them, in
// one SQLite file that several processes may have open (an old and a new one
// during a reload). Nothing in it is worth waiting for the disk: a file that
// a power cut has spoilt is set aside, and the cache begins empty.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/tables/index_file.h"

namespace postern::tables {

class CacheFile {
 public:
  // Complaints, without "warning: ".
  using Warn = std::function<void(const std::string&)>;

  // Opens or makes the file; "" is a cache in memory alone. Trouble: neither
  // can be done.
  static Result<CacheFile> open(const std::string& path, const Warn& warn);

  // One entry of a file that others write, which is not made where it is not
  // there.
  static Result<std::optional<std::string>> look(const std::string& path,
                                                 std::string_view key);

  // Trouble: the file cannot be read or written now.
  Result<std::optional<std::string>> get(std::string_view key);
  Status put(std::string_view key, std::string_view value);
  Status remove(std::string_view key);

  // Removes what `drop` names; gives how many stayed and went.
  struct Counts {
    std::size_t kept = 0, dropped = 0;
  };
  using Drop = std::function<bool(std::string_view key, std::string_view value)>;
  Result<Counts> clean(const Drop& drop);

  const std::string& path() const { return path_; }

 private:
  static Result<CacheFile> open_once(const std::string& path);
  Trouble trouble() const;
  Status run(const char* statement);

  std::string path_;
  Database database_;
  Statement get_, put_, remove_;  // go before the database
};

// The file that a parameter such as address_verify_map means: the type in front
// is that of other programs, caches are all of one kind. Below `data_directory`
// always: where the name says otherwise, `warning` says so. "" stays "".
std::string cache_path(std::string_view table,
                       const std::string& data_directory,
                       std::string* warning);

}  // namespace postern::tables
