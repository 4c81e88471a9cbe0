// Which types of tables there are in this build.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::databases {

// All that can be opened, in order, for `postconf -m`.
std::vector<std::string> table_types();

// A type that exists, but was left out when this was built ("mysql"), or that
// has no library any more ("nis").
bool not_built_in(std::string_view type);

}  // namespace postern::databases
