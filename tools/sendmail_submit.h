// sendmail: from standard input to the mail system, one message (deliver) or
// an SMTP session (serve_smtp).
#pragma once

#include "common/config/config.h"
#include "common/service/tool.h"
#include "tools/sendmail_options.h"

namespace postern::tools {

// The user who runs this: the sender unless told otherwise.
std::string login_name(const Tool& tool);

// Returns when the message is in maildrop; ends the program when it cannot be.
void submit_message(const Tool& tool, const config::Config& config,
                    const SendmailOptions& options);

// -bs: SMTP on standard input and output, without the network's rules.
void serve_smtp(const Tool& tool, const config::Config& config);

}  // namespace postern::tools
