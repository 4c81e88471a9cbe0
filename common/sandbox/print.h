// The table of profiles as a page for people: docs/processes.md.
#pragma once

#include <string>

namespace postern::sandbox {

// The whole page, Markdown. A test compares the committed page with it;
// print_profiles writes it.
std::string processes_page();

}  // namespace postern::sandbox
