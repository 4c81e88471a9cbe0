// The text of alias files: "name: value, value". aliases(5). The values are
// read by whoever delivers; here they are only brought into one form.
#pragma once

#include <string>
#include <string_view>

#include "common/tables/source.h"

namespace postern::tables {

// One logical line. The entry's key is without quotes; its value has one form:
// one space between words, ", " between members.
SourceLine parse_alias(std::string_view line);

// Whether the text starts like an alias file rather than a table of "key
// value" lines: decides which command a message names.
bool looks_like_aliases(std::string_view text);

}  // namespace postern::tables
