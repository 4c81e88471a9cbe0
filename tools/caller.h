// Tools that have more rights than who calls them (set-gid postdrop and
// postqueue): what they do first, and who may use them.
#pragma once

#include <string>
#include <string_view>

#include "common/config/config.h"
#include "common/service/tool.h"

namespace postern::tools {

// Before anything else: descriptors 0 to 2 lead somewhere, nothing above them
// was inherited, no limit or mask of the caller's counts.
void settle_in();

// Keeps of the environment what import_environment names.
void clean_environment(const config::Config& config);

// "alice(2001)"; "unknown(77)" for an id without a name.
std::string caller();

// Ends the program unless a list such as authorized_submit_users has the
// caller: "User alice(2001) is not allowed to submit mail".
void require_authorised(const Tool& tool, const config::Config& config,
                        std::string_view list, std::string_view what);

}  // namespace postern::tools
