// A comment behind a value. In main.conf a comment has a line of its own, and
// what stands behind a value belongs to it; but guides write `yes # why`, and
// where a value is one word nothing else can be meant.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/config/row.h"

namespace postern::config {

// `value` without the comment (`# …` or `// …` behind a blank) that stands
// behind it; nullopt when there is none, or the row's values may have several
// words.
std::optional<std::string> without_comment(const Row& row,
                                           std::string_view value);

}  // namespace postern::config
