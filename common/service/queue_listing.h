// A queued message as one line of JSON, in the shape of postqueue -j: what
// public/showq answers, and what postqueue makes itself of the files while the
// mail system is down.
#pragma once

#include <string>

#include "common/queue/spool.h"

namespace postern {

// With its line end. Recipients that are done are left out. The last member is
// "next_attempt" (seconds since 1970), which postqueue -j does not show.
std::string listing_line(const queue::Stored& message,
                         const queue::Results& results);

}  // namespace postern
