// local_login_sender_maps: which envelope senders a user of this host may give
// to sendmail. postdrop asks, as it is what nobody can go around.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/config/config.h"

namespace postern::tools {

struct SenderRules {
  std::string empty_key = "<>";  // stands for the null sender
  std::string delimiters;        // recipient_delimiter
};

// Does a list of patterns ("*", "user", "user@domain", "@domain", "<>") allow
// `sender`, an envelope address in its internal form? Case and the extension of
// the address do not matter.
bool allows_sender(std::string_view patterns, const std::string& sender,
                   const SenderRules& rules);

// Trouble: the caller may not use the address (permanent), or the tables did
// not answer (temporary). Without an entry no address may be used.
Status check_sender(const config::Config& config, const std::string& sender);

}  // namespace postern::tools
