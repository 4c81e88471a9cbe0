// How messages become active: handed over by cleanup, found in incoming after
// a restart, or deferred and due again.
#include <fmt/format.h>

#include <malloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/queue/queue_id.h"
#include "qmgr/manager.h"

namespace postern::qmgr {
namespace {

// How often files of a predecessor are looked at.
constexpr Seconds look_again{1};

// A file this young may still be in its writer's hands.
constexpr std::int64_t fresh = 10;

// Names of messages that wait in incoming for room in the active queue; what
// is beyond is found by scanning.
constexpr std::size_t most_announced = 20'000;

// Names looked at before other work has its turn, and read at once.
constexpr int names_at_once = 100;
constexpr std::size_t names_read = 500;

// With so few active messages their envelopes stay in memory.
constexpr std::size_t few_active = 1000;

constexpr Millis forever = std::chrono::hours(24 * 365);

}  // namespace

std::int64_t now_microseconds() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::int64_t now_steady() {
  return std::chrono::duration_cast<Millis>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::int64_t now_seconds() { return now_microseconds() / 1000000; }

bool Manager::room() const {
  return static_cast<std::int64_t>(active_.size()) < active_limit_;
}

const Message* Manager::active(const std::string& id) const {
  const auto found = active_.find(id);
  return found == active_.end() ? nullptr : found->second.get();
}

// After a stop or a crash, "active" means nothing: what is there was being
// tried, and is tried again. Complete files only ever got there. What is locked
// is in the hands of a predecessor that drains (reload), and is looked at again.
void Manager::recover() {
  of_predecessor_ = false;
  std::vector<std::string> ids;  // at most qmgr_message_active_limit
  const Status done =
      spool_.scan(queue::Box::active, [&](const std::string& name) {
        ids.push_back(name);
        return true;
      });
  if (!done) log_.warning(done.trouble().text);
  for (const std::string& id : ids) {
    if (!queue::valid_id(id)) {
      set_aside(id, queue::Box::active, "not a queue file name");
      continue;
    }
    if (!active_.contains(id)) recover_one(id);
  }
  if (of_predecessor_) predecessor_timer_.start(look_again);
  scan_incoming();
}

void Manager::recover_one(const std::string& id) {
  {
    const Result<std::optional<Fd>> lock =
        spool_.lock(queue::Box::active, id);
    if (lock && !*lock) {
      of_predecessor_ = true;
      return;
    }
  }
  const Status moved =
      spool_.move(id, queue::Box::active, queue::Box::incoming);
  if (!moved && spool_.modified(queue::Box::active, id))
    log_.warning(moved.trouble().text);
}

void Manager::set_aside(const std::string& id, queue::Box box,
                        const std::string& why) {
  log_.warning("{}: corrupt queue file, set aside in {}/corrupt: {}",
               printable(id), spool_.directory(), why);
  const Status moved = spool_.move(id, box, queue::Box::corrupt);
  if (!moved) log_.warning(moved.trouble().text);
}

void Manager::admit(ipc::MessageAdmit admitted) {
  if (draining_ || active_.contains(admitted.queue_id)) return;
  if (!room() || !announced_.empty()) {
    if (announced_.size() < most_announced)
      announced_.push_back(std::move(admitted.queue_id));
    else
      scan_incoming();
    return;
  }
  const auto layout = queue::decode_layout(admitted.layout);
  std::optional<queue::Enveloped> read = queue::read_envelope(
      queue::EnvelopeReader(std::move(admitted.envelope)), std::nullopt,
      static_cast<std::size_t>(first_batch(recipient_rules_, in_memory_)));
  if (!layout || !read || !queue::valid_id(admitted.queue_id)) {
    // The file itself will tell.
    activate(admitted.queue_id, queue::Box::incoming, false);
    return;
  }
  const Status moved = spool_.move(admitted.queue_id, queue::Box::incoming,
                                   queue::Box::active);
  if (!moved) {
    // Gone already: a scan had found it before this word came.
    if (spool_.modified(queue::Box::incoming, admitted.queue_id))
      log_.warning("{}: {}", admitted.queue_id, moved.trouble().text);
    return;
  }
  auto message = std::make_shared<Message>();
  message->id = std::move(admitted.queue_id);
  message->layout = *layout;
  if (static_cast<std::int64_t>(admitted.routes.size()) != read->recipients)
    admitted.routes.clear();
  begin(std::move(message), std::move(*read), std::move(admitted.routes));
}

// From disk. False: it stays where it is.
bool Manager::activate(const std::string& id, queue::Box from, bool verify) {
  if (draining_ || active_.contains(id)) return false;
  queue::Spool::Opened opened = spool_.open(
      from, id, verify,
      static_cast<std::size_t>(first_batch(recipient_rules_, in_memory_)));
  if (!opened.message) {
    if (opened.why == queue::Unreadable::damaged)
      set_aside(id, from, opened.text);
    if (opened.why == queue::Unreadable::trouble)
      log_.warning("{}: {}", id, opened.text);
    return false;
  }
  queue::Stored& stored = *opened.message;
  const queue::Results results = spool_.read_results(stored);
  const Status moved = spool_.move(id, from, queue::Box::active);
  if (!moved) {
    log_.warning("{}: {}", id, moved.trouble().text);
    return false;
  }
  auto message = std::make_shared<Message>();
  message->id = id;
  message->layout = stored.layout;
  message->delay_notice = results.delay_notice;
  message->first_cycle = results.attempts.empty();
  begin(std::move(message),
        {std::move(stored.envelope), stored.recipients, stored.pending,
         stored.rest},
        {});
  return true;
}

// `routes`: none, or one for each recipient, kept or not.
void Manager::begin(std::shared_ptr<Message> message, queue::Enveloped read,
                    std::vector<ipc::RouteWire> routes) {
  Message& m = *message;
  std::vector<queue::Recipient> first =
      std::exchange(read.envelope.recipients, {});
  m.order = ++orders_;
  m.activated = now_microseconds();
  m.sender = read.envelope.sender;
  m.arrival = read.envelope.arrival;
  m.flags = read.envelope.flags;
  m.verp = read.envelope.attribute("verp_delimiters");
  if (active_.size() < few_active) m.head = queue::encode_envelope(read.envelope);
  log_.info("{}: from=<{}>, size={}, nrcpt={} (queue active)", m.id,
            mail::quote_local_822(m.sender), m.layout.content_size,
            read.pending);
  active_[m.id] = message;
  const bool too_many = is_probe(m) && !count_probe(m);
  std::vector<std::size_t> indexes;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i].done) continue;
    if (too_many)
      routes.push_back({"retry", "4.3.0 too many address verification requests",
                        first[i].address});
    else if (!routes.empty() && indexes.size() < i)
      routes[indexes.size()] = std::move(routes[i]);
    indexes.push_back(i);
    take_recipient(m, i, std::move(first[i]));
  }
  if (!routes.empty()) routes.resize(indexes.size());
  m.next = read.rest;
  m.read_at = now_steady();
  set_unread(m, read.pending - static_cast<std::int64_t>(indexes.size()));
  m.open += 1;
  if (!routes.empty()) {
    enqueue(message, indexes, routes, read.envelope.filter);
    closed(message, 1);
  } else {
    nursery_.start(sort_out(std::move(message), std::move(indexes), {}));
  }
  schedule_pump();
}

// --- Looking through the queues ---

void Manager::start_scan(Scan& scan, queue::Box box) {
  scan.again = false;
  // The clock that files get their times from.
  ::clock_gettime(CLOCK_REALTIME_COARSE, &scan.began);
  scan.read.clear();
  scan.names.emplace(spool_, box);
}

// The next name of a scan that is under way; nullopt: it is through.
std::optional<std::string> Manager::next_name(Scan& scan, queue::Box box) {
  if (!scan.names && scan.again) start_scan(scan, box);
  if (!scan.names) return std::nullopt;
  if (scan.read.empty()) {
    Result<std::vector<std::string>> more = scan.names->next(names_read);
    if (!more) log_.warning(more.trouble().text);
    if (!more || more->empty()) {
      scan.names.reset();
      return std::nullopt;
    }
    scan.read.assign(more->rbegin(), more->rend());
  }
  std::string name = std::move(scan.read.back());
  scan.read.pop_back();
  return name;
}

void Manager::scan_incoming() {
  incoming_.again = true;
  schedule_pump();
}

void Manager::scan_deferred(bool all) {
  deferred_.again = true;
  if (all) {
    // From the beginning: those that were passed over count as well.
    deferred_all_ = true;
    start_scan(deferred_, queue::Box::deferred);
  }
  schedule_pump();
}

// One more from incoming. False: there is none.
bool Manager::take_incoming() {
  if (!announced_.empty()) {
    const std::string id = std::move(announced_.front());
    announced_.pop_front();
    activate(id, queue::Box::incoming, false);
    return true;
  }
  const std::optional<std::string> id =
      next_name(incoming_, queue::Box::incoming);
  if (!id) return false;
  if (active_.contains(*id) || id->starts_with("new-")) return true;
  if (!queue::valid_id(*id)) {
    set_aside(*id, queue::Box::incoming, "not a queue file name");
    return true;
  }
  // While cleanup lives, it tells us of a file once that is synced.
  const auto modified = spool_.modified(queue::Box::incoming, *id);
  if (cleanup_links_ > 0 && modified && *modified > now_seconds() - fresh) {
    rescan_timer_.start(Seconds(fresh));
    return true;
  }
  activate(*id, queue::Box::incoming, true);
  return true;
}

bool Manager::take_deferred() {
  const std::optional<std::string> id =
      next_name(deferred_, queue::Box::deferred);
  if (!id) {
    deferred_all_ = false;
    return false;
  }
  if (!queue::valid_id(*id)) {
    set_aside(*id, queue::Box::deferred, "not a queue file name");
    return true;
  }
  struct stat facts;
  if (::lstat(spool_.path(queue::Box::deferred, *id).c_str(), &facts) != 0)
    return true;
  // One that was put off since this scan began is not tried once more.
  const bool before =
      std::pair(facts.st_ctim.tv_sec, facts.st_ctim.tv_nsec) <=
      std::pair(deferred_.began.tv_sec, deferred_.began.tv_nsec);
  if (facts.st_mtim.tv_sec <= now_seconds() || (deferred_all_ && before)) activate(*id, queue::Box::deferred, false);
  return true;
}

// One from incoming, one from deferred, and so on: neither keeps the other
// waiting.
void Manager::take_in() {
  for (int i = 0; i < names_at_once; ++i) {
    if (!room()) return;
    const bool incoming = take_incoming();
    const bool deferred = room() && take_deferred();
    if (!incoming && !deferred) return;
  }
  take_in_timer_.start(Millis(0));
}

// One look at the disk per queue run.
Task<void> Manager::run_queue() {
  for (;;) {
    co_await pause(queue_run_delay_);
    if (draining_) co_return;
    scan_incoming();
    scan_deferred(false);
    for (auto& [name, t] : transports_) t->tidy(now_steady());
    // What a burst took goes back to the system.
    ::malloc_trim(0);
    schedule_pump();
  }
}

Task<void> Manager::serve_cleanup(std::unique_ptr<ipc::Link> link) {
  ++cleanup_links_;
  while (link->open() || link->waiting() > 0) {
    std::optional<ipc::Frame> frame = co_await link->next(forever);
    if (!frame) continue;
    std::optional<ipc::MessageAdmit> admitted =
        frame->as<ipc::MessageAdmit>();
    if (!admitted) {
      log_.warning("cleanup sent what is no message; its link is closed");
      break;
    }
    admit(std::move(*admitted));
  }
  --cleanup_links_;
  // What it stored but could not tell us lies in incoming.
  scan_incoming();
}

}  // namespace postern::qmgr
