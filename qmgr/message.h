// One message of the active queue, in memory: what is known of it, and those
// of its recipients that are being dealt with. A message may have more
// recipients than memory should hold; the rest is read when there is room.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/ipc/messages/deliver.h"
#include "common/ipc/messages/queue.h"
#include "common/queue/spool.h"

namespace postern::qmgr {

class Transport;

// A recipient of whom somebody is to be told.
struct Told {
  std::size_t index = 0;
  std::int64_t mark = 0;  // queue::Recipient::mark
  std::string owner;      // who is told instead of the sender; empty: nobody
  ipc::NoticeRecipient what;
};

// What the current cycle found out. Recipients that were sent leave nothing
// here but their marks in the file.
struct Cycle {
  struct Waiting {
    std::uint32_t index = 0;   // of the recipient
    std::uint32_t reason = 0;  // in `reasons`
  };
  std::vector<Waiting> deferred;
  std::vector<ipc::DeliverResult> reasons;  // without their index
  std::unordered_map<std::string, std::uint32_t> known_reasons;
  std::vector<Told> failed;
  std::vector<Told> reported;  // asked to be told of success
  std::vector<Told> verified;  // sendmail -bv, -v
  int best = -1;               // of a probe: probes.cc
  std::string best_text;

  bool plain() const {
    return deferred.empty() && failed.empty() && reported.empty() &&
           verified.empty() && best < 0;
  }
  void defer(std::size_t index, const ipc::DeliverResult& why);
};

struct Message {
  std::string id;
  queue::Box box = queue::Box::active;  // where the file is now
  std::uint64_t order = 0;     // among all that became active
  queue::Layout layout;
  // The envelope without recipients, encoded; empty: it is read from the file
  // when it is needed.
  std::string head;
  std::string sender;
  std::int64_t arrival = 0;    // microseconds since 1970
  std::int64_t flags = 0;      // ipc::CleanupFlag bits
  std::string verp;            // delimiters; empty: none
  std::int64_t activated = 0;  // microseconds since 1970
  std::int64_t delay_notice = 0;

  // Recipients in memory that have no verdict yet, by index.
  std::map<std::size_t, queue::Recipient> recipients;
  // Those that are still to be read.
  queue::Place next;
  std::int64_t unread = 0;        // so many at most have no verdict
  std::int64_t read_at = 0;       // milliseconds: when that was done last
  std::set<Transport*> transports;  // that have some

  // What must come back before the cycle ends: recipients in memory, and
  // tasks.
  std::size_t open = 0;
  std::unique_ptr<Cycle> cycle;
  // Requests to agents, and notices, under way.
  int in_flight = 0;
  // Held while draining: a successor leaves this message alone.
  Fd lock;
  bool reading = false;
  bool settling = false;
  // The file went away below us (postsuper -d): nothing more to do.
  bool vanished = false;
  // Not all of its recipients could be read in this cycle: it does not end.
  bool incomplete = false;
  // No attempt was made before this cycle.
  bool first_cycle = true;
  // postsuper asked for it, or `expired` found it too old.
  bool expire_now = false;
  // Of an address verification probe: counts it (probes.cc).
  std::shared_ptr<void> probe;

  std::int64_t arrival_seconds() const { return arrival / 1000000; }
  Cycle& found() {
    if (!cycle) cycle = std::make_unique<Cycle>();
    return *cycle;
  }
};

bool is_probe(const Message& message);

}  // namespace postern::qmgr
