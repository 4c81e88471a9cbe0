// How messages become active: handed over by cleanup, found in incoming after
// a restart, or deferred and due again.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/queue/queue_id.h"
#include "qmgr/manager.h"

namespace postern::qmgr {
namespace {

// A file this young may still be in its writer's hands.
constexpr std::int64_t fresh = 10;

// Names of messages that wait in incoming for room in the active queue; what
// is beyond is found by scanning.
constexpr std::size_t most_announced = 100'000;

constexpr Millis forever = std::chrono::hours(24 * 365);

}  // namespace

std::int64_t now_microseconds() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
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
// tried, and is tried again. Complete files only ever got there.
void Manager::recover() {
  std::vector<std::string> ids;
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
    const Status moved =
        spool_.move(id, queue::Box::active, queue::Box::incoming);
    if (!moved) log_.warning(moved.trouble().text);
  }
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
  if (!room()) {
    if (announced_.size() < most_announced)
      announced_.push_back(std::move(admitted.queue_id));
    else
      incoming_left_ = true;
    return;
  }
  const auto layout = queue::decode_layout(admitted.layout);
  auto envelope = queue::decode_envelope(admitted.envelope);
  if (!layout || !envelope || !queue::valid_id(admitted.queue_id)) {
    // The file itself will tell.
    activate(admitted.queue_id, queue::Box::incoming, true, {});
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
  message->id = admitted.queue_id;
  message->layout = *layout;
  message->envelope = std::move(*envelope);
  message->layout_bytes = std::move(admitted.layout);
  message->envelope_bytes = std::move(admitted.envelope);
  begin(std::move(message), std::move(admitted.routes));
}

// From disk. False: it stays where it is.
bool Manager::activate(const std::string& id, queue::Box from, bool verify,
                       std::vector<ipc::RouteWire> routes) {
  if (active_.contains(id)) return false;
  queue::Spool::Opened opened = spool_.open(from, id, verify);
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
  message->envelope = std::move(stored.envelope);
  message->layout_bytes = queue::encode_layout(message->layout);
  message->envelope_bytes = queue::encode_envelope(message->envelope);
  message->delay_notice = results.delay_notice;
  message->first_cycle = results.attempts.empty();
  begin(std::move(message), std::move(routes));
  return true;
}

void Manager::begin(std::shared_ptr<Message> message,
                    std::vector<ipc::RouteWire> routes) {
  message->activated = now_microseconds();
  const std::vector<queue::Recipient>& all = message->envelope.recipients;
  const auto pending = std::count_if(
      all.begin(), all.end(),
      [](const queue::Recipient& r) { return !r.done; });
  log_.info("{}: from=<{}>, size={}, nrcpt={} (queue active)", message->id,
            mail::quote_local_822(message->envelope.sender),
            message->layout.content_size, pending);
  active_[message->id] = message;
  deferred_.erase(message->id);
  message->open = static_cast<std::size_t>(pending) + 1;
  if (is_probe(*message) && !count_probe(*message))
    for (const queue::Recipient& recipient : all)
      routes.push_back({"retry", "4.3.0 too many address verification requests",
                        recipient.address});
  if (routes.size() == all.size()) {
    enqueue(message, routes);
    closed(message, 1);
  } else {
    nursery_.start(route_then_enqueue(std::move(message)));
  }
  schedule_pump();
}

Task<void> Manager::route_then_enqueue(std::shared_ptr<Message> message) {
  std::vector<ipc::RouteWire> routes(message->envelope.recipients.size());
  std::string trouble;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    if (message->envelope.recipients[i].done) continue;
    std::string sender = message->envelope.sender;
    std::string address = message->envelope.recipients[i].address;
    route::Router& router = is_probe(*message) ? probe_router_ : router_;
    Result<route::Resolved> resolved =
        co_await router.resolve(std::move(sender), std::move(address));
    if (resolved) {
      routes[i] = {resolved->transport, resolved->nexthop,
                   resolved->recipient};
    } else {
      // Tables come back; until then the recipient waits.
      log_.warning("{}: {}", message->id, resolved.trouble().text);
      routes[i] = {"retry", "4.3.0 address resolver failure",
                   message->envelope.recipients[i].address};
    }
  }
  enqueue(message, routes);
  closed(message, 1);
  schedule_pump();
}

// Recipients of one domain stand together, so that a relay host can pass them
// on together too.
std::vector<std::size_t> Manager::by_domain(
    const std::vector<ipc::RouteWire>& routes) {
  std::vector<std::size_t> order(routes.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto domain = [&](std::size_t i) {
    return mail::split_address(routes[i].address).domain;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) {
                     return domain(a) < domain(b);
                   });
  return order;
}

// Where a content filter is: as content_filter or FILTER says, else as
// default_filter_nexthop does, else at the recipient's domain.
std::string Manager::filter_nexthop(const std::string& said,
                                    const std::string& recipient) const {
  if (!said.empty()) return said;
  const std::string fallback =
      service_.config().get<"default_filter_nexthop">();
  if (!fallback.empty()) return fallback;
  return std::string(mail::split_address(recipient).domain);
}

// Recipients with the same transport and destination travel together, up to
// the transport's recipient limit.
void Manager::enqueue(const std::shared_ptr<Message>& message,
                      const std::vector<ipc::RouteWire>& routes) {
  const std::int64_t now = now_seconds();
  std::map<std::pair<std::string, std::string>, Entry> groups;
  for (const std::size_t i : by_domain(routes)) {
    if (message->envelope.recipients[i].done) continue;
    std::string name = routes[i].transport;
    std::string nexthop = routes[i].nexthop;
    if (!message->envelope.filter.empty()) {
      const auto [filter, hop] =
          route::Router::split_destination(message->envelope.filter);
      name = filter;
      nexthop = filter_nexthop(hop, routes[i].address);
    }
    if (deferred_transports_.contains(name)) {
      name = "retry";
      nexthop = "4.3.2 deferred transport";
    }
    Transport& t = transport(name);
    const std::string key = t.destination_key(nexthop, routes[i].address);
    Entry& entry = groups[{name, key}];
    entry.message = message;
    entry.nexthop = nexthop;
    entry.recipients.push_back(i);
    entry.addresses.push_back(routes[i].address);
    if (t.rules.recipient_limit > 0 &&
        static_cast<int>(entry.recipients.size()) >= t.rules.recipient_limit) {
      t.add(key, std::move(entry), now);
      groups.erase({name, key});
    }
  }
  for (auto& [where, entry] : groups)
    transport(where.first).add(where.second, std::move(entry), now);
}

void Manager::scan_incoming() {
  incoming_left_ = false;
  std::vector<std::string> ids;
  const Status done =
      spool_.scan(queue::Box::incoming, [&](const std::string& name) {
        ids.push_back(name);
        return true;
      });
  if (!done) log_.warning(done.trouble().text);
  const std::int64_t now = now_seconds();
  for (const std::string& id : ids) {
    if (active_.contains(id) || id.starts_with("new-")) continue;
    if (!queue::valid_id(id)) {
      set_aside(id, queue::Box::incoming, "not a queue file name");
      continue;
    }
    if (!room()) {
      incoming_left_ = true;
      return;
    }
    // While cleanup lives, it tells us of a file once that is synced.
    const auto modified = spool_.modified(queue::Box::incoming, id);
    if (cleanup_links_ > 0 && modified && *modified > now - fresh) {
      rescan_timer_.start(Seconds(fresh));
      continue;
    }
    activate(id, queue::Box::incoming, true, {});
  }
}

void Manager::scan_deferred(bool all) {
  deferred_left_ = false;
  const std::int64_t now = now_seconds();
  std::vector<std::string> due;
  std::set<std::string> seen;
  const Status done =
      spool_.scan(queue::Box::deferred, [&](const std::string& name) {
        if (active_.contains(name)) return true;
        if (!queue::valid_id(name)) {
          due.push_back(name);
          return true;
        }
        seen.insert(name);
        auto known = deferred_.find(name);
        if (known == deferred_.end()) {
          const auto modified = spool_.modified(queue::Box::deferred, name);
          if (!modified) return true;
          known = deferred_.emplace(name, *modified).first;
        }
        if (all || known->second <= now) due.push_back(name);
        return true;
      });
  if (!done) log_.warning(done.trouble().text);
  // What an administrator took away is forgotten.
  std::erase_if(deferred_, [&](const auto& entry) {
    return !seen.contains(entry.first);
  });
  std::sort(due.begin(), due.end(),
            [&](const std::string& a, const std::string& b) {
              return deferred_[a] < deferred_[b];
            });
  for (const std::string& id : due) {
    if (!queue::valid_id(id)) {
      set_aside(id, queue::Box::deferred, "not a queue file name");
      deferred_.erase(id);
      continue;
    }
    if (!room()) {
      deferred_left_ = true;
      return;
    }
    activate(id, queue::Box::deferred, false, {});
  }
}

// As many as there is room for, in the order in which they came.
void Manager::admit_announced() {
  while (room() && !announced_.empty()) {
    const std::string id = std::move(announced_.front());
    announced_.pop_front();
    activate(id, queue::Box::incoming, false, {});
  }
  // Not before half of the room is free again: a scan costs more than its
  // first message.
  if (active_.size() * 2 > static_cast<std::size_t>(active_limit_)) return;
  if (announced_.empty() && incoming_left_) scan_incoming();
  if (deferred_left_) scan_deferred(false);
}

// One look at the disk per queue run, and one as soon as there is room again.
Task<void> Manager::next_scan() {
  for (;;) {
    co_await pause(queue_run_delay_);
    if (draining_) co_return;
    scan_incoming();
    scan_deferred(false);
    for (auto& [name, t] : transports_) t->tidy(now_seconds());
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
