// The parameters of one table: from a file of its own ("mysql:/etc/x.cf", the
// syntax of main.conf, nothing expanded), or from main.conf under the table's
// name ("mysql:users" has users_hosts and so on, expanded).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/tables/table.h"

namespace postern::databases {

// A value that cannot be read is remembered, and the fallback is given:
//
//   settings.text("dbname", "", 1);
//   …
//   if (Status read = settings.status(); !read) return read.trouble();
class Settings {
 public:
  // `main` may be null: then there are no tables in main.conf.
  static Result<Settings> read(const tables::Spec& spec,
                               const config::Config* main);
  // A file's text, for tests of foreign bytes.
  static Result<Settings> parse(std::string_view content,
                                const std::string& file);

  std::string text(std::string_view name, std::string_view fallback,
                   std::size_t shortest = 0);
  bool has(std::string_view name) const;
  bool boolean(std::string_view name, bool fallback);
  std::int64_t number(std::string_view name, std::int64_t fallback,
                      std::int64_t least = 0,
                      std::int64_t most = 2'147'483'647);

  // Remembers that the value of `name` is wrong.
  void refuse(std::string_view name, const std::string& why);

  // The first thing that was wrong: "FILE, line 3: bad numerical configuration:
  // expansion_limit = abc".
  Status status() const;
  // Warns of names in the file that nobody has asked for.
  void warn_unused(const tables::Warn& warn) const;

  // What messages call the table's parameters: the file, or the name.
  const std::string& title() const { return title_; }

 private:
  struct Value {
    std::string text;
    config::Origin origin;
  };
  const Value* find(std::string_view name) const;
  std::string place(std::string_view name) const;
  std::string shown(std::string_view name) const;

  std::string title_;
  std::string prefix_;  // "users_"; empty for a file
  std::map<std::string, Value, std::less<>> values_;
  mutable std::set<std::string, std::less<>> asked_;
  Status status_;
};

}  // namespace postern::databases
