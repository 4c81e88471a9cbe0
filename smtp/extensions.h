// What a server says it can do, in its answer to EHLO or LHLO (RFC 5321
// 4.1.1.1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/mail/status.h"

namespace postern::smtp {

struct Features {
  bool extended = false;  // EHLO was understood
  bool pipelining = false;
  bool size = false;
  std::int64_t size_limit = 0;  // bytes; 0: not said
  bool eight_bit = false;
  bool dsn = false;
  bool smtputf8 = false;
  bool starttls = false;
  bool auth = false;
  std::vector<std::string> auth_mechanisms;  // upper case
  std::vector<std::string> xforward;         // attribute names, upper case

  bool forwards(std::string_view attribute) const;
};

// `reply` is a positive answer. Keywords in `discarded` (lower case) count as
// not said (smtp_discard_ehlo_keywords).
Features parse_features(const mail::ParsedReply& reply,
                        const std::vector<std::string>& discarded);

// The host name that the server gave itself: the first word of the first
// line.
std::string announced_name(const mail::ParsedReply& reply);

}  // namespace postern::smtp
