// What a dead cleanup process left in incoming: files that it had not
// finished, for which nobody was promised anything (docs/decisions).
#pragma once

#include <cstddef>

#include "common/log/log.h"
#include "common/loop/task.h"
#include "common/queue/spool.h"

namespace postern::cleanup {

// Removes unfinished files whose writers are dead, a few at a time. All else
// in incoming is for qmgr.
Task<void> remove_debris(queue::Spool* spool, const log::Log* log);
// At once, and again after a pause: by then whatever a predecessor left is old
// enough to be told from a file that somebody is just making.
Task<void> remove_debris_twice(queue::Spool* spool, const log::Log* log,
                               Millis again);

}  // namespace postern::cleanup
