// Points in time as mail writes them: the date-time of RFC 5322 section 3.3
// for headers, the ctime(3) form for the From_ line of an mbox file (RFC 4155).
#pragma once

#include <ctime>
#include <string>

namespace postern::mail {

// "Sun, 22 Nov 2026 18:00:00 +0000 (UTC)", in the zone of this process.
// Never locale-dependent.
std::string header_date(std::time_t when);

// "Sun Nov 22 18:00:00 2026", in the zone of this process, no line end.
std::string ctime_date(std::time_t when);

}  // namespace postern::mail
