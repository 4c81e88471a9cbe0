// master.conf, the table of services (master(5)): one logical line per
// service, of eight fields and arguments.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/config/main_file.h"

namespace postern::config {

struct ServiceRow {
  std::string name;  // as written: "smtp", "127.0.0.1:2525", "[::1]:smtp"
  std::string type;  // inet, unix, fifo, pass, unix-dgram
  bool private_ = true;
  bool unprivileged = true;
  bool chroot = false;
  std::chrono::seconds wakeup{0};  // 0: never
  bool wakeup_if_used = false;     // `?`: only once the service was asked for
  int maxproc = -1;                // -1: default_process_limit; 0: no limit
  std::string program;
  // Without -o, -v and -D; outer braces of an argument are taken off.
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> overrides;  // -o
  int verbose = 0;     // how many -v
  bool debug = false;  // -D
  Origin origin;

  // Of inet services; host is "" for all interfaces.
  std::string host;
  std::string port;
};

// Something in the table that cannot be, and where.
struct TableProblem {
  int line = 0;
  int column = 1;
  std::string text;     // "bad field count"
  std::string excerpt;  // the logical line
};

class MasterTable {
 public:
  // Reads DIRECTORY/master.conf (or master.cf). Trouble (permanent, 3.5) for
  // the first line that cannot be: `/etc/postern/master.conf: line 12: bad
  // field count`.
  static Result<MasterTable> load(const std::string& directory);
  static Result<MasterTable> parse(std::string_view content,
                                   const std::string& file);
  // As parse, but bad lines are left out and told.
  static MasterTable read(std::string_view content, const std::string& file,
                          std::vector<TableProblem>& problems);

  const std::vector<ServiceRow>& rows() const { return rows_; }
  // nullptr: no such service.
  const ServiceRow* find(std::string_view name, std::string_view type) const;
  // The first row of any type.
  const ServiceRow* find(std::string_view name) const;
  const std::vector<std::string>& warnings() const { return warnings_; }
  const std::string& file() const { return file_; }

 private:
  std::vector<ServiceRow> rows_;
  std::vector<std::string> warnings_;
  std::string file_;
};

// A word of a master.conf line; text in braces is one word, braces included.
struct Word {
  std::string text;
  int column = 1;
  bool closed = true;  // false: a brace is missing at its end
};
std::vector<Word> master_words(std::string_view line);

// "-o {a = b}" and its like: name and value of the option's argument, whose
// outer braces, if any, are taken off first.
Result<NameValue> parse_override(std::string_view argument);

// Takes off outer braces and white space inside them.
std::string unbraced(std::string_view word);

}  // namespace postern::config
