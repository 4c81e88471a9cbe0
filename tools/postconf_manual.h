// The reference of parameters, printed from their table: postconf(5) for man,
// and Markdown for docs/parameters.md.
#pragma once

#include <string>

namespace postern::postconf {

std::string manual_page();
std::string markdown_page();

}  // namespace postern::postconf
