// Reading the typed values of parameters (postconf(5)): yes or no, numbers,
// and times with a unit.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/config/row.h"

namespace postern::config {

// yes or no, in either case.
std::optional<bool> parse_boolean(std::string_view text);

// Seconds of `NUMBER[smhdw]`; `unit` counts when the text has none. Letters
// behind the first count for nothing.
std::optional<std::chrono::seconds> parse_duration(std::string_view text,
                                                   char unit = 's');

// Does `value` (expanded) fit the row? Trouble (permanent, 3.5) has Postfix's
// words, such as "bad numerical configuration: smtpd_recipient_limit = abc".
Status fits(const Row& row, std::string_view value);

}  // namespace postern::config
