// From recipients in a file to entries of the schedule: read while there is
// room for them, resolved, sorted by transport and destination.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "common/mail/address.h"
#include "qmgr/manager.h"

namespace postern::qmgr {
namespace {

// A request has to fit into a frame, and so has the report about it.
constexpr std::size_t most_bytes = 1u << 20;
constexpr std::size_t most_recipients = 2000;

// Of one request, beyond the addresses themselves.
constexpr std::size_t bytes_each = 400;

}  // namespace

void Manager::take_recipient(Message& m, std::size_t index,
                             queue::Recipient recipient) {
  if (!m.recipients.emplace(index, std::move(recipient)).second) return;
  ++m.open;
  ++in_memory_;
}

// It has its verdict; closed() is told by who had it.
void Manager::forget_recipient(Message& m, std::size_t index) {
  if (m.recipients.erase(index) > 0) --in_memory_;
}

void Manager::set_unread(Message& m, std::int64_t unread) {
  m.unread = std::max<std::int64_t>(unread, 0);
  if (m.unread > 0)
    unread_.emplace(m.order, &m);
  else
    unread_.erase({m.order, &m});
  for (Transport* t : m.transports)
    t->set_unread(m, static_cast<std::size_t>(m.unread));
}

Result<queue::Envelope> Manager::head_of(const Message& m) const {
  if (!m.head.empty()) {
    std::optional<queue::Envelope> head = queue::decode_envelope(m.head);
    if (head) return std::move(*head);
  }
  const Result<Fd> file = spool_.open_read_only(m.box, m.id);
  if (!file) return file.trouble();
  queue::EnvelopeReader reader(file->get(), m.layout);
  [[maybe_unused]] const auto first = reader.next();
  if (reader.broken())
    return try_later("3.0", m.id + ": its envelope cannot be read");
  return std::move(reader.head());
}

Task<void> Manager::sort_out(std::shared_ptr<Message> message,
                             std::vector<std::size_t> indexes,
                             std::vector<ipc::RouteWire> routes) {
  Message& m = *message;
  route::Router& router = is_probe(m) ? probe_router_ : router_;
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    std::string sender = m.sender;
    std::string address = m.recipients.at(indexes[i]).address;
    Result<route::Resolved> resolved =
        co_await router.resolve(std::move(sender), std::move(address));
    if (resolved) {
      routes.push_back({resolved->transport, resolved->nexthop,
                        resolved->recipient});
    } else {
      // Tables come back; until then the recipient waits.
      log_.warning("{}: {}", m.id, resolved.trouble().text);
      routes.push_back({"retry", "4.3.0 address resolver failure",
                        m.recipients.at(indexes[i]).address});
    }
  }
  const Result<queue::Envelope> head = head_of(m);
  if (!head) {
    // Whether a filter has to see it is not known: it goes nowhere.
    log_.warning(head.trouble().text);
    for (ipc::RouteWire& route : routes)
      route = {"retry", "4.3.0 queue file cannot be read", route.address};
  }
  enqueue(message, indexes, routes, head ? head->filter : "");
  m.reading = false;
  closed(message, 1);
  schedule_pump();
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
// the transport's recipient limit; those of one domain stand together, so that
// a relay host can pass them on together too.
void Manager::enqueue(const std::shared_ptr<Message>& message,
                      const std::vector<std::size_t>& indexes,
                      const std::vector<ipc::RouteWire>& routes,
                      const std::string& filter) {
  Message& m = *message;
  const std::int64_t now = now_steady();
  std::vector<std::size_t> sorted(indexes.size());
  std::vector<std::string_view> domains(indexes.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sorted[i] = i;
    domains[i] = mail::split_address(routes[i].address).domain;
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](std::size_t a, std::size_t b) {
                     return domains[a] < domains[b];
                   });
  std::map<std::pair<std::string, std::string>, std::size_t> groups;
  std::vector<std::pair<std::string, Entry>> open;  // in their order
  const auto add = [&](Transport& t, const std::string& key, Entry entry) {
    const Destination* known = t.find(key);
    if (known != nullptr && known->suspended && known->not_before > now)
      return put_off_entry(entry, known->why_status, known->why);
    warn_of_clog(t, t.add(key, std::move(entry), m.order, now));
    if (m.transports.insert(&t).second && m.unread > 0)
      t.set_unread(m, static_cast<std::size_t>(m.unread));
  };
  for (const std::size_t i : sorted) {
    std::string name = routes[i].transport;
    std::string nexthop = routes[i].nexthop;
    if (!filter.empty()) {
      const auto [transport, hop] = route::Router::split_destination(filter);
      name = transport;
      nexthop = filter_nexthop(hop, routes[i].address);
    }
    if (deferred_transports_.contains(name)) {
      name = "retry";
      nexthop = "4.3.2 deferred transport";
    }
    Transport& t = transport(name);
    const std::string key = t.destination_key(nexthop, routes[i].address);
    const auto [where, fresh] = groups.try_emplace({name, key}, open.size());
    if (fresh) open.emplace_back(name, Entry());
    Entry& entry = open[where->second].second;
    entry.message = message;
    entry.nexthop = nexthop;
    entry.recipients.push_back(indexes[i]);
    entry.addresses.push_back(routes[i].address);
    entry.bytes += 2 * routes[i].address.size() + bytes_each;
    const auto limit = static_cast<std::size_t>(
        m.verp.empty() ? t.rules.recipient_limit : 1);
    if ((limit > 0 && entry.recipients.size() >= limit) ||
        entry.recipients.size() >= most_recipients ||
        entry.bytes >= most_bytes) {
      add(t, key, std::exchange(entry, {}));
      groups.erase(where);
    }
  }
  // The rest, in the order of their first recipients.
  std::vector<const std::string*> keys(open.size(), nullptr);
  for (const auto& [where, at] : groups) keys[at] = &where.second;
  for (std::size_t i = 0; i < open.size(); ++i)
    if (keys[i] != nullptr)
      add(transport(open[i].first), *keys[i], std::move(open[i].second));
}

// One destination that fills the active queue keeps all others out.
void Manager::warn_of_clog(const Transport& t, Destination& d) {
  if (clog_warn_time_ <= 0 || room()) return;
  const auto waiting = static_cast<std::int64_t>(d.waiting());
  const std::int64_t now = now_steady();
  if (waiting <= active_limit_ / 5 ||
      (d.warned_of_clog > 0 && now - d.warned_of_clog < clog_warn_time_))
    return;
  d.warned_of_clog = now;
  log_.warning("mail for {} is using up {} of {} active queue entries", d.key,
               waiting, active_limit_);
  log_.warning("you may need a separate master.conf transport for {}", d.key);
  log_.warning("you may need to increase {}_destination_concurrency_limit "
               "from {}",
               t.name, t.rules.concurrency.limit);
  log_.warning("please avoid flushing the whole queue when you have lots of "
               "deferred mail, that is bad for performance");
  log_.warning("to turn off these warnings specify: qmgr_clog_warn_time = 0");
}

// Those that have had something come back, oldest first.
void Manager::read_more() {
  for (const auto& [order, message] : std::exchange(wants_more_, {})) {
    read_on(message);
    if (message->open == 0 && message->unread == 0) closed(message, 0);
  }
}

// More recipients of a message, where there is room for them now.
void Manager::read_on(const std::shared_ptr<Message>& message) {
  Message& m = *message;
  if (m.unread == 0 || m.reading || m.vanished) return;
  const bool oldest = unread_.begin()->second == &m;
  std::int64_t room = m.transports.empty() ? 0 : INT64_MAX;
  PoolRules pool;
  for (const Transport* t : m.transports) {
    room = std::min(room, pool_room(t->rules.pool,
                                    static_cast<std::int64_t>(t->recipients()),
                                    oldest));
    pool = t->rules.pool;
  }
  const std::int64_t most =
      next_batch(recipient_rules_, pool, room,
                 static_cast<std::int64_t>(m.recipients.size()),
                 now_steady() - m.read_at);
  if (most > 0) read_batch(message, most);
}

void Manager::read_batch(const std::shared_ptr<Message>& message,
                         std::int64_t most) {
  Message& m = *message;
  const Result<Fd> file = spool_.open_read_only(m.box, m.id);
  if (!file) {
    if (place_of(m) == m.box) {
      log_.warning("{}: {}", m.id, file.trouble().text);
      m.incomplete = true;
    } else {
      vanish(message);
    }
    set_unread(m, 0);
    return;
  }
  queue::EnvelopeReader reader(file->get(), m.layout);
  reader.go_to(m.next);
  std::vector<std::size_t> indexes;
  while (static_cast<std::int64_t>(indexes.size()) < most) {
    const auto index = static_cast<std::size_t>(reader.place().index);
    std::optional<queue::Recipient> recipient = reader.next();
    if (!recipient) break;
    if (recipient->done) continue;
    indexes.push_back(index);
    take_recipient(m, index, std::move(*recipient));
  }
  m.next = reader.place();
  m.read_at = now_steady();
  const bool end = reader.ended() || reader.broken();
  if (reader.broken()) {
    log_.warning("{}: its envelope cannot be read to the end", m.id);
    m.incomplete = true;
  }
  set_unread(m, end ? 0
                    : m.unread - static_cast<std::int64_t>(indexes.size()));
  if (indexes.empty()) return;
  m.open += 1;
  m.reading = true;
  nursery_.start(sort_out(message, std::move(indexes), {}));
}

}  // namespace postern::qmgr
