// What an administrator should look at in a configuration before starting it.
// Nothing here is needed to run: Config::validate() stops what cannot be.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config.h"
#include "common/config/master_table.h"

namespace postern::config {

enum class Weight { note, warning, error };

struct Finding {
  Weight weight = Weight::warning;
  std::string file;
  int line = 0;    // 0: no line of a file, such as a default
  int column = 1;  // in `excerpt`
  std::string text;
  std::string hint;     // what to do; may be empty
  std::string excerpt;  // the setting or row; may be empty
};

// In order of lines, main.conf first.
std::vector<Finding> check(const Config& config, const MasterTable& table);
// What MasterTable::read could not use.
std::vector<Finding> check_rows(const std::vector<TableProblem>& problems,
                                const std::string& file);

// Several lines: "FILE, line 3: TEXT", the excerpt with a caret, the hint.
std::string describe(const Finding& finding);

// Every name that the text mentions as $name, ${name…} or $(name…), whether or
// not its value would be used.
std::set<std::string> referenced_names(std::string_view text);

// The one of `all` that is nearest to `name`; "" when none is near.
std::string nearest(std::string_view name,
                    const std::vector<std::string_view>& all);
// The same among the parameters.
std::string nearest_name(std::string_view name);

}  // namespace postern::config
