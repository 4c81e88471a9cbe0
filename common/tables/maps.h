// A parameter that names tables ("hash:/a, inline:{b=c}"): asked in order, the
// first that knows the key answers, and one that cannot say stops the search.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/tables/table.h"

namespace postern::tables {

// The table names in a list: separated by commas and white space, braces keep
// a name together. Trouble: an unbalanced brace.
Result<std::vector<std::string>> split_table_names(std::string_view text);

class Maps {
 public:
  Maps() = default;
  // `title` is the parameter, for messages. Tables that do not open answer
  // with Trouble later (open_or_unavailable); Trouble here is a list that
  // cannot be read.
  static Result<Maps> parse(std::string title, std::string_view text,
                            const OpenOptions& options = {});

  // `partial`: the key is part of a search string (a parent domain, a bare
  // user): tables of patterns are not asked.
  Found find(std::string_view key, bool partial = false);

  // Which table answered last, "" if none: for messages.
  const std::string& answered_by() const { return answered_by_; }

  bool empty() const { return tables_.empty(); }
  const std::string& title() const { return title_; }
  const std::vector<std::unique_ptr<Table>>& tables() const { return tables_; }

 private:
  std::string title_;
  std::vector<std::unique_ptr<Table>> tables_;
  std::string answered_by_;
};

}  // namespace postern::tables
