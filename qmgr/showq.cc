// The queue as postqueue(1) shows it: one JSON object a line, in the shape of
// postqueue -j. Messages are read one at a time, so memory is that of one
// message however long the queue is.
#include <algorithm>

#include "common/queue/queue_id.h"
#include "common/service/queue_listing.h"
#include "qmgr/named_sockets.h"

namespace postern::qmgr {
namespace {

constexpr Millis patience = std::chrono::minutes(5);
constexpr std::size_t batch_bytes = 32768;

}  // namespace

Task<void> list_queue(Manager* manager, Stream* stream) {
  queue::Spool& spool = manager->spool();
  for (const queue::Box box : queue::mail_boxes) {
    std::vector<std::string> ids;
    const Status done = spool.scan(box, [&](const std::string& name) {
      if (queue::valid_id(name)) ids.push_back(name);
      return true;
    });
    if (!done) manager->log().warning(done.trouble().text);
    std::sort(ids.begin(), ids.end());
    for (const std::string& id : ids) {
      const queue::Spool::Opened opened = spool.open(box, id);
      if (!opened.message) continue;  // moved on, or being written
      stream->put(listing_line(*opened.message,
                               spool.read_results(*opened.message)));
      if (stream->unsent() > batch_bytes) {
        co_await stream->flush(patience);
      }
    }
  }
  co_await stream->flush(patience);
}

}  // namespace postern::qmgr
