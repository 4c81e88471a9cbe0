// postern: what every verb works with. Parts: postern_control.cc (start to
// flush), postern_check.cc, postern_permissions.cc, postern_isolation.cc.
#pragma once

#include <string>

#include "common/config/config.h"
#include "common/log/log.h"
#include "common/os/fd.h"

namespace postern::tools {

struct Suite {
  std::string directory;
  config::Config config = config::Config::defaults();
  log::Log log{"postern/postern-script"};
  Fd log_file;
  bool as_root = false;
  bool verbose = false;  // tell which programs are run and what is signalled
};

// Reads main.conf and opens the log. Ends the program when main.conf cannot be
// read.
Suite open_suite(const std::string& directory);

// Each gives the exit status.
int start(Suite& suite);
int start_foreground(Suite& suite);
int stop(Suite& suite);
int abort(Suite& suite);
int reload(Suite& suite);
int flush(Suite& suite);
int status(Suite& suite);
int rotate_log(Suite& suite);
int check(Suite& suite);
int set_permissions(Suite& suite);
int show_isolation(Suite& suite);

}  // namespace postern::tools
