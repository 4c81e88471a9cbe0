// postconf's view of main.conf: which settings to show, and their values.
#pragma once

#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/service/tool.h"
#include "tools/postconf_names.h"
#include "tools/postconf_print.h"

namespace postern::postconf {

enum class Shown { actual, defaults, set };  // -p, -d, -n

struct MainRequest {
  Shown shown = Shown::actual;
  bool expand = false;   // -x
  bool verbose = false;  // -v: where settings come from, on standard error
  bool builtin = true, service = true, user = true;  // -C
  Style style;
  std::vector<std::string> names;  // none: all
};

// Writes to standard output; warns of names that mean nothing.
void show_main(const Tool& tool, const config::Config& config,
               const NameSpace& space, const MainRequest& request);

// The value with its $names replaced; fatal when it cannot be.
std::string expanded(const Tool& tool, const config::Config& config,
                     std::string_view value);

}  // namespace postern::postconf
