// One message of the active queue, in memory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/ipc/messages/deliver.h"
#include "common/ipc/messages/queue.h"
#include "common/queue/spool.h"

namespace postern::qmgr {

// What the current cycle found out about a recipient.
struct Verdict {
  ipc::Outcome outcome = ipc::Outcome::deferred;
  ipc::DeliverResult result;
};

struct Message {
  std::string id;
  queue::Box box = queue::Box::active;  // where the file is now
  queue::Layout layout;
  queue::Envelope envelope;
  std::string layout_bytes;    // for notices
  std::string envelope_bytes;
  std::int64_t activated = 0;  // microseconds since 1970
  std::int64_t delay_notice = 0;

  // Recipients still to be settled in this cycle: in an entry, or with an
  // agent.
  std::size_t open = 0;
  // By recipient index: what this cycle said. Recipients done in an earlier
  // cycle are not here.
  std::map<std::size_t, Verdict> verdicts;
  bool settling = false;
  // The file went away below us (postsuper -d): nothing more to do.
  bool vanished = false;
  // No attempt was made before this cycle.
  bool first_cycle = true;
  // postsuper asked for it, or `expired` found it too old.
  bool expire_now = false;
  // Of an address verification probe: counts it (probes.cc).
  std::shared_ptr<void> probe;

  std::int64_t arrival_seconds() const { return envelope.arrival / 1000000; }
};

bool is_probe(const Message& message);

}  // namespace postern::qmgr
