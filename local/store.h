// What a worker does with a request: puts the message into the mailbox, and
// says what came of it. Runs as the recipient.
// Next: mbox.h, maildir.h.
#pragma once

#include "common/ipc/messages/worker.h"

namespace postern::local {

// An answer without trouble: it is stored and synced.
ipc::StoreAnswer store(const ipc::StoreRequest& request);

// The directory itself or, where it is yet to be made, the nearest one above
// it that exists. "" for a path that is not absolute.
std::string nearest_directory(std::string path);

}  // namespace postern::local
