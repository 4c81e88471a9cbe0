// Brace syntax of table names: "{a, {b c}}".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace postern::tables {

// "{ a, {b c} d }" -> "a", "{b c}", "d". nullopt: not of this form, or empty.
std::optional<std::vector<std::string>> braced_list(std::string_view text);

// The text inside an outer pair of braces, trimmed; Trouble ("missing '}' in
// …", "syntax error after '}' in …") when it is not exactly one pair.
Result<std::string> unbrace(std::string_view text);

// "name = value" -> both trimmed. Trouble: "missing '=' after attribute name".
Result<std::pair<std::string, std::string>> split_name_value(
    std::string_view text);

// Rules of a pattern table in its name: "{ {rule} {rule} }" becomes lines of
// text. `title` is "cidr map" or the like, for messages.
Result<std::string> braced_rules(std::string_view text, std::string_view title);

}  // namespace postern::tables
