// A queue file in words, as postcat shows it (docs/formats/queue-file.md is
// what it reads).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postern::tools {

struct PrintRules {
  bool envelope = true;
  bool header = true;
  bool body = true;
  bool offsets = false;     // where in the file each line stands
  bool types = false;       // the letter of each line as a number
  bool verbose = false;     // name content lines too
  bool file_order = false;  // content before envelope, as it lies there
};

// `name` is for the section titles. Trouble (permanent): "input is not a valid
// queue file".
Status print_queue_file(int fd, const std::string& name,
                        const PrintRules& rules,
                        const std::function<void(std::string_view)>& out);

}  // namespace postern::tools
