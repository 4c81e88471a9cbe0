// The queue as postqueue(1) shows it: one JSON object a line, in the shape of
// postqueue -j. Messages are read one at a time, so memory is that of one
// message however long the queue is.
#include "common/queue/names.h"
#include "common/queue/queue_id.h"
#include "common/service/queue_listing.h"
#include "qmgr/named_sockets.h"

namespace postern::qmgr {
namespace {

constexpr Millis patience = std::chrono::minutes(5);
constexpr std::size_t batch_bytes = 32768;

// A queue with no more than this is shown in the order of its ids.
constexpr std::size_t names_at_once = 500;

}  // namespace

Task<void> list_queue(Manager* manager, Stream* stream) {
  queue::Spool& spool = manager->spool();
  for (const queue::Box box : queue::mail_boxes) {
    queue::Names names(spool, box);
    for (;;) {
      const Result<std::vector<std::string>> some = names.next(names_at_once);
      if (!some) manager->log().warning(some.trouble().text);
      if (!some || some->empty()) break;
      for (const std::string& id : *some) {
        if (!queue::valid_id(id)) continue;
        const queue::Spool::Opened opened = spool.open(box, id);
        if (!opened.message) continue;  // moved on, or being written
        stream->put(listing_line(*opened.message,
                                 spool.read_results(*opened.message)));
        if (stream->unsent() > batch_bytes) {
          co_await stream->flush(patience);
        }
      }
      // Others have their turn, and what there is can be read.
      co_await stream->flush(patience);
    }
  }
  co_await stream->flush(patience);
}

}  // namespace postern::qmgr
