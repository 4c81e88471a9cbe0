// The text of a Berkeley DB file, by the program db_dump of Berkeley DB itself.
#pragma once

#include <string>

#include "common/base/result.h"

namespace postern::tools {

// What "db_dump -p PATH" prints. Trouble: there is no such program (Debian has
// it in db-util), or it failed.
Result<std::string> dump_berkeley_db(const std::string& path);

}  // namespace postern::tools
