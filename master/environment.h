// The environment that processes get: nothing of whoever typed the command,
// but what import_environment names.
#pragma once

#include <string>
#include <vector>

namespace postern::master {

// `import` has entries NAME (taken from `current`, where it is there) and
// NAME=VALUE (set). PATH is always set; what steers sanitizers and coverage
// passes, as it is for tests alone. `current` has NAME=VALUE entries.
std::vector<std::string> clean_environment(
    const std::vector<std::string>& import,
    const std::vector<std::string>& current,
    const std::string& config_directory);

// The environment of this process.
std::vector<std::string> own_environment();

}  // namespace postern::master
