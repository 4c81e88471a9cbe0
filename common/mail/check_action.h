// What a table of header_checks(5) or body_checks says about a line. Pure; who
// carries it out is cleanup/checks.h and smtp/outgoing.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::mail {

enum class CheckAction : std::uint8_t {
  bcc,
  discard,
  dunno,  // OK too
  filter,
  hold,
  ignore,
  info,
  pass,
  prepend,
  redirect,
  reject,
  replace,
  strip,
  warn,
};

struct Check {
  CheckAction action = CheckAction::dunno;
  // What follows the action's name: words for the log, an address, a
  // destination, a header. Of reject: without its status.
  std::string text;
  // Of reject: "5.7.1" or what the text begins with.
  std::string status;
};

// Where a rule stands.
struct CheckPlace {
  std::string_view table;    // "header_checks": for warnings
  bool header = true;        // it looks at headers; false: at body lines
  // It acts while mail is sent (smtp_header_checks): only what changes the
  // text is possible.
  bool while_sending = false;
};

struct CheckVerdict {
  // Rules that make no sense are as good as none.
  Check check;
  // What is wrong with the rule, for the log; empty: nothing.
  std::string warning;
};
CheckVerdict parse_check(std::string_view value, const CheckPlace& place);

// As the log calls it: "reject", "warning", …; "" where nothing is logged.
std::string_view log_word(CheckAction action);

}  // namespace postern::mail
