// Under whose rights local delivers what has no recipient of its own, and
// where the mailbox of a user is: master and local must come to the same
// answers.
#pragma once

#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/os/users.h"

namespace postern {

// The user that default_privs names. Trouble: there is none, or it is root.
Result<os::User> default_rights(const config::Config& config);

// Who owns the file of a table, "hash:/etc/aliases", where that is neither
// root nor unknown: commands and files in it are delivered under that user's
// rights (local(8), DELIVERY RIGHTS).
std::optional<os::User> owner_of_table(const std::string& table);

// Where a user's mail goes: "/var/mail/bob", "/home/bob/Maildir/" (a maildir
// by its slash). nullopt: in a home that the user does not have.
std::optional<std::string> mailbox_path(const std::string& home_mailbox,
                                        const std::string& spool,
                                        const os::User& user);

// Is that mailbox a file or maildir right in mail_spool_directory? Whoever
// writes there may get the spool's group, with which others' mailboxes can be
// read: such a worker reads no forwarding files, another one does.
bool in_spool(const std::string& spool, const std::string& mailbox);

}  // namespace postern
