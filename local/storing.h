// The request by which a worker stores one message into one mailbox, and what
// its failure is called.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/ipc/messages/control.h"
#include "common/ipc/messages/deliver.h"
#include "common/ipc/messages/worker.h"
#include "local/settings.h"

namespace postern::local {

// "From sender  Sun Nov 22 18:00:00 2026"; MAILER-DAEMON for the null sender.
std::string separator_line(const std::string& sender, std::time_t when);

// "Delivered-To: user@example.com\n".
std::string address_header(const std::string& name, const std::string& address);

// Return-Path, X-Original-To, Delivered-To; the latter two only when given.
std::string store_headers(const std::string& sender,
                          const std::string& original,
                          const std::string& delivered);

// The worker of a local user: for the mailbox, where there is one to be, and
// for forwarding files.
ipc::WorkerRequest mailbox_worker(const Settings& settings,
                                  const os::User& user);

// A descriptor of the message that can be sent away.
Result<Fd> message_of(const ipc::DeliverRequest& request);

// `path` with a slash at its end is a Maildir. The message's descriptor is
// duplicated. Trouble: that cannot be done now.
Result<ipc::StoreRequest> store_request(const Settings& settings,
                                        const ipc::DeliverRequest& request,
                                        const std::string& path,
                                        const std::string& original,
                                        const std::string& delivered);

}  // namespace postern::local
