// postmap and postalias: options, and making, asking, listing and changing
// tables. postmap(1), postalias(1).
#pragma once

namespace postern::tools {

// The whole program; returns its exit status. `aliases`: postalias.
int run_table_tool(int argc, char** argv, bool aliases);

}  // namespace postern::tools
