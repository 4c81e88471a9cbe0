// What is done to a reply between its author and the wire. Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/ipc/messages/content.h"

namespace postern::access {

// The value of a $name in smtpd_reject_footer; "" when there is none.
using NameValue = std::function<std::string(std::string_view name)>;

// smtpd_reject_footer added to a reply (lines joined by "\n", each with code):
// "\c" at its start continues the last line, "\n" in it begins lines of their
// own, which get the reply's code and status. Values are censored by
// `filter` (smtpd_expansion_filter): other characters become "_".
// Trouble: the footer's $names cannot be expanded.
Result<std::string> with_footer(const std::string& reply,
                                std::string_view footer,
                                const NameValue& value,
                                std::string_view filter);

// $name, ${name?text:text} and all other forms of common/config/expand.h,
// replaced once: what a value says is not expanded again.
Result<std::string> expand_names(std::string_view text, const NameValue& value,
                                 std::string_view filter);

// As sent: "250-a\r\n250 b\r\n" from "250-a\n250 b".
std::string wire_form(std::string_view reply);

// A refusal as one line of at most 510 bytes, status class and code agreeing.
std::string refusal(int code, std::string_view status, std::string_view text,
                    bool soft_bounce);

// The reply to a message that cleanup did not take.
std::string verdict_reply(const ipc::TroubleWire& trouble);
// The same for a message that cleanup would not begin.
std::string begin_reply(const ipc::TroubleWire& trouble);

// The characters that a value of smtpd_expansion_filter stands for
// (backslash escapes as in C).
std::string filter_characters(std::string_view text);

}  // namespace postern::access
