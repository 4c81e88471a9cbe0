// What a worker does with a request: puts the message into the mailbox, and
// says what came of it. Runs as the recipient.
// Next: mbox.h, maildir.h.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/ipc/messages/worker.h"
#include "common/service/permit.h"

namespace postern::local {

// Into the permit's path. An answer without trouble: it is stored and synced.
ipc::StoreAnswer store(const Permit& permit, const ipc::StoreRequest& request);

// require_home_directory: the directory exists and may be entered. "" is none.
Status check_home(const std::string& directory);

// The directory itself or, where it is yet to be made, the nearest one above
// it that exists. "" for a path that is not absolute.
std::string nearest_directory(std::string path);

// Where a mailbox is: the maildir itself, or the directory that the file is
// in.
std::string store_directory(const std::string& path);

}  // namespace postern::local
