// The text that tables are made from: logical lines, "key value" entries.
// Input file format of postmap(1). Aliases are in alias_file.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/tables/table.h"

namespace postern::tables {

// Hands out logical lines: a line that starts with white space continues the
// one before; blank lines and comments between are left out.
class LogicalLines {
 public:
  // `text` must outlive the reader.
  explicit LogicalLines(std::string_view text) : rest_(text) {}

  // nullopt at the end. Joined lines have lost their line ends only.
  std::optional<std::string> next();

  // Of the line handed out last, counted from 1.
  int first_line() const { return first_; }
  int last_line() const { return last_; }

 private:
  std::string_view take_line();
  std::string_view rest_;
  int line_ = 0;
  int first_ = 0;
  int last_ = 0;
};

struct Entry {
  std::string key;
  std::string value;
};

// What reading one logical line gave: an entry, or a complaint. Both when a
// usable line looks wrong.
struct SourceLine {
  std::optional<Entry> entry;
  std::string complaint;  // without file and line
};

// "key value". The key is kept as it stands; white space inside double quotes
// does not end it.
SourceLine parse_entry(std::string_view line);

// The content of the files that `value` names (commas or white space
// between), with a line end between them.
Result<std::string> content_of_files(std::string_view value);

}  // namespace postern::tables
