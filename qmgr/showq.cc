// The queue as postqueue(1) shows it: one JSON object a line, in the shape of
// postqueue -j. Messages are read one at a time, so memory is that of one
// message however long the queue is.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/queue/queue_id.h"
#include "qmgr/named_sockets.h"

namespace postern::qmgr {
namespace {

constexpr Millis patience = std::chrono::minutes(5);
constexpr std::size_t batch_bytes = 32768;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : printable_utf8(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string describe(const queue::Stored& stored, std::string_view box,
                     const std::vector<std::string>& reasons) {
  const queue::Envelope& e = stored.envelope;
  std::string out = fmt::format(
      "{{\"queue_name\": {}, \"queue_id\": {}, \"arrival_time\": {}, "
      "\"message_size\": {}, \"forced_expire\": false, \"sender\": {}, "
      "\"recipients\": [",
      quoted(box), quoted(stored.id), e.arrival / 1000000,
      stored.layout.content_size,
      quoted(e.sender.empty() ? "MAILER-DAEMON"
                              : mail::quote_local_822(e.sender)));
  bool first = true;
  for (std::size_t i = 0; i < e.recipients.size(); ++i) {
    const queue::Recipient& r = e.recipients[i];
    if (r.done) continue;
    if (!first) out += ", ";
    first = false;
    out += "{\"address\": " + quoted(mail::quote_local_822(r.address));
    if (!reasons[i].empty())
      out += ", \"delay_reason\": " + quoted(reasons[i]);
    out += "}";
  }
  return out + "]}\n";
}

}  // namespace

Task<void> list_queue(Manager* manager, Stream* stream) {
  queue::Spool& spool = manager->spool();
  for (const queue::Box box :
       {queue::Box::incoming, queue::Box::active, queue::Box::deferred,
        queue::Box::hold}) {
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
      std::vector<std::string> reasons(
          opened.message->envelope.recipients.size());
      const queue::Results results = spool.read_results(*opened.message);
      for (const queue::Attempt& a : results.attempts)
        if (a.index >= 0 && a.index < static_cast<std::int64_t>(reasons.size()))
          reasons[static_cast<std::size_t>(a.index)] = a.text;
      stream->put(describe(*opened.message, queue::name_of(box), reasons));
      if (stream->unsent() > batch_bytes) {
        co_await stream->flush(patience);
      }
    }
  }
  co_await stream->flush(patience);
}

}  // namespace postern::qmgr
