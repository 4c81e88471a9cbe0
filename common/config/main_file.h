// Reading main.conf: logical lines of the form `name = value` (postconf(5)).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace postern::config {

// Where a setting stands. `line` counts from 1; 0 means that it is from the
// command line or a master.conf row.
struct Origin {
  std::string file;
  int line = 0;
};

struct Setting {
  std::string name;
  std::string value;  // unexpanded
  Origin origin;
};

struct MainFile {
  std::vector<Setting> settings;  // in file order; the last of a name counts
  // Complete lines for a log: overridden entries, stray continuations.
  std::vector<std::string> warnings;
};

// `file` is what messages call it. Trouble (permanent, 3.5) for a line that is
// no setting: `FILE, line 3: missing '=' after attribute name: "x y"`.
Result<MainFile> parse_main(std::string_view content, const std::string& file);

// One `name = value`, white space trimmed. Trouble has the words above, without
// the place.
struct NameValue {
  std::string name;
  std::string value;
};
Result<NameValue> parse_assignment(std::string_view text);

// DIRECTORY/main.conf if it exists, else DIRECTORY/main.cf if that one does,
// else DIRECTORY/main.conf. The same for the service table.
std::string main_path(const std::string& directory);
std::string master_path(const std::string& directory);

}  // namespace postern::config
