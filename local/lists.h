// Files that say who gets mail: a user's forwarding file (.forward) and
// :include: files. Read by a worker, which has the rights that the file is
// read with; what is in them: destinations.h.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/ipc/messages/worker.h"
#include "common/service/permit.h"
#include "local/destinations.h"

namespace postern::local {

// The first of forward_path's files that is there. One that cannot be used (no
// regular file, another's, writable for all, unreadable) is a warning, and the
// user has none.
ipc::ListAnswer find_forward(const Permit& permit,
                             const ipc::RecipientNames& names);

// The permit's :include: file.
ipc::ListAnswer read_include(const Permit& permit);

// Does the permit's origin still name this destination? Trouble (temporary):
// it does not, and so nothing may be done; local asked for something that
// nobody wants.
Status check_origin(const Permit& permit, const ipc::RecipientNames& names,
                    const Destination& wanted);

// The directories that files of `forward_path` can lie in, as far as they do
// not depend on the recipient's address, and those of the :include: files.
std::vector<std::string> list_directories(const Permit& permit);

}  // namespace postern::local
