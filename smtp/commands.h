// The commands of a mail transaction, as texts without line end (RFC 5321,
// and the extensions that the server has announced).
#pragma once

#include <string>
#include <vector>

#include "common/ipc/messages/deliver.h"
#include "smtp/extensions.h"
#include "smtp/settings.h"

namespace postern::smtp {

// `sender`, `address`: what goes on the wire (smtp_generic_maps).
std::string mail_from(const ipc::DeliverRequest& request,
                      const std::string& sender, const Features& features,
                      const Settings& settings);

// `request` and `features` as for mail_from.
std::string rcpt_to(const ipc::DeliverRequest& request,
                    const ipc::DeliverRecipient& recipient,
                    const std::string& address, const Features& features,
                    const Settings& settings);

// XFORWARD commands: none, one or two. Only what is known and what the server
// takes is told.
std::vector<std::string> xforward(const ipc::DeliverRequest& request,
                                  const Features& features);

}  // namespace postern::smtp
