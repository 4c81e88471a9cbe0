// The line that every delivery agent writes for every recipient it has tried:
//
//   QUEUE-ID: to=<user@example.com>, orig_to=<alias@example.com>,
//     relay=mx.example.com[192.0.2.1]:25, conn_use=2, delay=1.2,
//     delays=0.1/0.01/0.5/0.6, dsn=2.0.0, status=sent (250 2.0.0 Ok)
//
// Log analysers read it, so the shape is fixed (docs/logging.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/log/log.h"

namespace postern {

// Microseconds since 1970.
std::int64_t wall_clock();

// Where a delivery's time went, in microseconds since 1970.
struct DeliveryTimes {
  std::int64_t arrival = 0;    // the message came
  std::int64_t activated = 0;  // it entered the active queue
  std::int64_t started = 0;    // the agent began
  std::int64_t connected = 0;  // the session was set up; 0: no session at all
  std::int64_t done = 0;
};

// Seconds with two significant digits, and at most `decimals` after the point
// (delay_logging_resolution_limit, 0 to 6); zeros at the end are dropped:
// "0.93", "1.2", "17", "0". Negative spans are "0".
std::string delay_text(std::int64_t microseconds, int decimals);

// "delay=1.2, delays=0.1/0.01/0.5/0.6": before the active queue, in it, setting
// the session up, and the transfer.
std::string delays_text(const DeliveryTimes& times, int decimals);

struct DeliveryEvent {
  std::string_view queue_id;
  std::string_view recipient;  // internal form
  std::string_view original;   // before rewriting; empty: same
  std::string_view relay;      // "none", "local", "mx[192.0.2.1]:25"
  int session_uses = 1;        // conn_use= is shown from 2 on
  DeliveryTimes times;
  std::string_view dsn;            // "2.0.0"
  std::string_view status;         // sent, deferred, bounced, …
  std::string_view text;           // why, one line
  bool external_addresses = true;  // info_log_addr_form: quote local parts
  int decimals = 2;
};

std::string delivery_text(const DeliveryEvent& event);

inline void log_delivery(const log::Log& log, const DeliveryEvent& event) {
  log.info(delivery_text(event));
}

}  // namespace postern
