// The verbs of this server, in the order in which "disconnect" lines count
// them.
#pragma once

#include <cstdint>
#include <string_view>

namespace postern::smtpd {

enum class Verb : std::uint8_t {
  helo, ehlo, xclient, xforward, starttls, auth, mail, rcpt, data, bdat, rset,
  noop, vrfy, etrn, quit, unknown,
};
inline constexpr std::size_t verb_count = 16;

struct Command {
  Verb verb;
  std::string_view name;   // as logged: "RCPT"
  std::string_view count;  // as counted: "rcpt"
  bool junk = false;       // counts against smtpd_junk_command_limit
  // Must be the last of a pipelined group (RFC 2920 section 3.1).
  bool last_of_group = false;
  bool before_tls = false;  // also where TLS is required and not there yet
};

inline constexpr Command commands[verb_count] = {
    {Verb::helo, "HELO", "helo", true, true, true},
    {Verb::ehlo, "EHLO", "ehlo", true, true, true},
    {Verb::xclient, "XCLIENT", "xclient"},
    {Verb::xforward, "XFORWARD", "xforward"},
    {Verb::starttls, "STARTTLS", "starttls", false, false, true},
    {Verb::auth, "AUTH", "auth"},
    {Verb::mail, "MAIL", "mail"},
    {Verb::rcpt, "RCPT", "rcpt"},
    {Verb::data, "DATA", "data", false, true},
    {Verb::bdat, "BDAT", "bdat"},
    {Verb::rset, "RSET", "rset", true},
    {Verb::noop, "NOOP", "noop", true, true, true},
    {Verb::vrfy, "VRFY", "vrfy", true, true},
    {Verb::etrn, "ETRN", "etrn", true},
    {Verb::quit, "QUIT", "quit", false, false, true},
    {Verb::unknown, "UNKNOWN", "unknown"},
};

// Whatever the case; Verb::unknown's row for any other word.
const Command& find_command(std::string_view word);

}  // namespace postern::smtpd
