#include "smtpd/facts.h"

#include <fmt/format.h>

#include "common/mail/address.h"

namespace postern::smtpd {

std::string event_line(const Facts& facts, std::string_view what,
                       std::string_view text) {
  std::string line = fmt::format(
      "{}: {}: {} from {}: {};",
      facts.queue_name(), what, facts.where,
      facts.client.shown(), text);
  if (facts.sender)
    line += fmt::format(" from=<{}>", mail::quote_local_821(*facts.sender));
  if (facts.recipient)
    line += fmt::format(" to=<{}>", mail::quote_local_821(*facts.recipient));
  line += " proto=" + facts.protocol;
  if (facts.helo) line += fmt::format(" helo=<{}>", *facts.helo);
  return line;
}

}  // namespace postern::smtpd
