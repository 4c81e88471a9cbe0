// How recipients reach their agents, and what the answers do to the schedule.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/ipc/messages/content.h"
#include "common/service/delivery_log.h"
#include "qmgr/manager.h"

namespace postern::qmgr {
namespace {

// An agent has this long for one request (daemon_timeout's role in postconf).
constexpr Millis agent_limit = std::chrono::hours(5);

// After so many lost agents the recipients wait for a later attempt.
constexpr int most_tries = 3;

}  // namespace

std::string Manager::program_of(const std::string& name) const {
  for (const ipc::RowWire& row : service_.suite())
    if (row.name == name && row.type != "inet") return row.program;
  return {};
}

bool Manager::builtin(const std::string& program) const {
  return program == "error" || program == "retry" || program == "discard";
}

TransportRules Manager::rules_for(const std::string& name) const {
  const config::Config& c = service_.config();
  const auto number = [&](const std::string& suffix,
                          const std::string& fallback) {
    return static_cast<int>(
        c.number(name + suffix, c.number(fallback, 0)));
  };
  TransportRules rules;
  rules.concurrency.initial =
      number("_initial_destination_concurrency",
             "initial_destination_concurrency");
  rules.concurrency.limit = number("_destination_concurrency_limit",
                                   "default_destination_concurrency_limit");
  rules.concurrency.failed_cohort_limit =
      number("_destination_concurrency_failed_cohort_limit",
             "default_destination_concurrency_failed_cohort_limit");
  const auto text = [&](const std::string& suffix,
                        const std::string& fallback) {
    const std::string own = c.text(name + suffix);
    return own.empty() ? c.text(fallback) : own;
  };
  rules.concurrency.positive = Feedback::parse(
      text("_destination_concurrency_positive_feedback",
           "default_destination_concurrency_positive_feedback"), 1);
  rules.concurrency.negative = Feedback::parse(
      text("_destination_concurrency_negative_feedback",
           "default_destination_concurrency_negative_feedback"), 1);
  rules.recipient_limit = number("_destination_recipient_limit",
                                 "default_destination_recipient_limit");
  rules.rate_delay =
      c.duration(name + "_destination_rate_delay",
                 c.duration("default_destination_rate_delay", Seconds(0)))
          .count();
  rules.delimiters = c.text("recipient_delimiter");
  rules.process_limit =
      static_cast<int>(c.number("default_process_limit", 100));
  for (const ipc::RowWire& row : service_.suite())
    if (row.name == name && row.type != "inet" && row.maxproc > 0)
      rules.process_limit = static_cast<int>(row.maxproc);
  return rules;
}

Transport& Manager::transport(const std::string& name) {
  std::unique_ptr<Transport>& found = transports_[name];
  if (!found) found = std::make_unique<Transport>(name, rules_for(name));
  return *found;
}

void Manager::schedule_pump() { Loop::current().ready(pump_item_); }

void Manager::pump() {
  if (draining_) return;
  const std::int64_t now = now_seconds();
  std::optional<std::int64_t> wake;
  admit_announced();
  for (auto& [name, t] : transports_) {
    while (auto next = t->next(now)) {
      ++deliveries_;
      nursery_.start(deliver(t.get(), next->first, std::move(next->second)));
    }
    if (const auto when = t->next_wakeup(now))
      wake = wake ? std::min(*wake, *when) : *when;
  }
  if (wake) pump_timer_.start(Seconds(std::max<std::int64_t>(*wake - now, 1)));
}

ipc::DeliverRequest Manager::make_request(const Transport& t,
                                          const Entry& entry) const {
  const Message& m = *entry.message;
  ipc::DeliverRequest request;
  request.queue_id = m.id;
  request.service = t.name;
  request.nexthop = entry.nexthop;
  request.sender = m.envelope.sender;
  request.envid = m.envelope.envid;
  request.ret = m.envelope.ret;
  request.body = m.envelope.body;
  request.smtputf8 = (m.envelope.flags & ipc::smtputf8_requested) != 0;
  request.context = m.envelope.context;
  request.content_offset = m.layout.content_offset;
  request.content_size = m.layout.content_size;
  request.arrival = m.envelope.arrival;
  request.activated = m.activated;
  request.attributes = m.envelope.attributes;
  request.verify_only = (m.envelope.flags & ipc::verify_only) != 0;
  for (std::size_t i = 0; i < entry.recipients.size(); ++i) {
    const queue::Recipient& r = m.envelope.recipients[entry.recipients[i]];
    ipc::DeliverRecipient out;
    out.index = static_cast<std::int64_t>(entry.recipients[i]);
    out.address = entry.addresses[i];
    // Where routing took something off (user%host@here), the log tells of it.
    out.original = r.original.empty() ? r.address : r.original;
    out.orcpt = r.orcpt;
    out.notify = r.notify;
    request.recipients.push_back(std::move(out));
  }
  return request;
}

// The error, retry and discard services: their next hop says what to tell.
ipc::DeliverReport Manager::deliver_builtin(const std::string& program,
                                            const Entry& entry) {
  const Message& m = *entry.message;
  const bool discard = program == "discard";
  const bool retry = program == "retry";
  std::string status = discard ? "2.0.0" : retry ? "4.0.0" : "5.0.0";
  std::string text = entry.nexthop;
  const std::size_t space = text.find(' ');
  const std::string first = text.substr(0, space);
  const bool probe = (m.envelope.flags & ipc::verify_only) != 0;
  const bool soft = soft_bounce_ && !probe;
  const char wanted = discard ? '2' : retry || soft ? '4' : '5';
  if (first.size() >= 5 && is_digit(first[0]) && first[1] == '.') {
    // A code of another class says something else than what happens.
    if (first[0] == status[0]) status = first;
    text = space == std::string::npos ? "Address is undeliverable"
                                      : text.substr(space + 1);
  }
  status[0] = wanted;
  const log::Log log = service_.log_as(discard ? "discard" : "error");
  const std::int64_t started = now_microseconds();
  ipc::DeliverReport report;
  for (std::size_t i = 0; i < entry.recipients.size(); ++i) {
    const queue::Recipient& r = m.envelope.recipients[entry.recipients[i]];
    ipc::DeliverResult result;
    result.index = static_cast<std::int64_t>(entry.recipients[i]);
    result.status = status;
    result.text = text;
    result.outcome = discard         ? ipc::Outcome::sent
                     : retry || soft ? ipc::Outcome::deferred
                                     : ipc::Outcome::bounced;
    DeliveryEvent event;
    event.queue_id = m.id;
    event.recipient = entry.addresses[i];
    event.original = r.original.empty() ? std::string_view(r.address)
                                        : std::string_view(r.original);
    event.relay = "none";
    event.times = {m.envelope.arrival, m.activated, started, 0,
                   now_microseconds()};
    event.dsn = status;
    event.status = probe     ? discard ? "deliverable" : "undeliverable"
                   : discard ? "sent"
                   : retry   ? "deferred"
                   : soft    ? "SOFTBOUNCE"
                             : "bounced";
    event.text = text;
    log_delivery(log, event);
    report.results.push_back(std::move(result));
  }
  return report;
}

Task<Result<ipc::DeliverReport>> Manager::ask_agent(
    Transport* t, ipc::DeliverRequest request) {
  std::unique_ptr<SharedLink>& agent = agents_[t->name];
  if (!agent) agent = std::make_unique<SharedLink>(service_, t->name);
  SharedLink* link = agent.get();
  co_return co_await link->ask(std::move(request), agent_limit);
}

Task<void> Manager::deliver(Transport* t, Destination* destination,
                            Entry entry) {
  Message& m = *entry.message;
  const std::string program = program_of(t->name);
  ipc::DeliverReport report;
  bool lost = false;
  bool passed_on = false;
  if (m.vanished) {
    // Nothing to do: the administrator has taken it away.
  } else if (destination->suspended) {
    defer_entry(entry, destination->why_status, destination->why);
  } else if (program.empty() && !builtin(t->name)) {
    log_.warning("connect to transport private/{}: No such file or directory",
                 t->name);
    defer_entry(entry, "4.3.0", "mail transport unavailable");
  } else if (builtin(program.empty() ? t->name : program)) {
    // A row named "retry" is served by the program error.
    report = deliver_builtin(t->name == "retry" ? "retry"
                             : program.empty()  ? t->name
                                                : program,
                             entry);
    apply(entry, report);
  } else {
    Result<Fd> file = spool_.open_read_only(m.box, m.id);
    if (!file) {
      vanish(entry.message);
    } else {
      ipc::DeliverRequest request = make_request(*t, entry);
      request.backlog =
          static_cast<std::int64_t>(destination->waiting.size()) +
          destination->busy - 1;
      request.message = std::move(*file);
      Result<ipc::DeliverReport> answer =
          co_await ask_agent(t, std::move(request));
      if (answer) {
        report = std::move(*answer);
        passed_on = !report.pass_to.empty();
        if (passed_on)
          pass_on(*t, entry, report.pass_to);
        else
          apply(entry, report);
        feedback(*t, *destination, report);
      } else {
        log_.warning("{}: transport {}: {}", m.id, t->name,
                     answer.trouble().text);
        lost = true;
      }
    }
  }
  --deliveries_;
  const std::int64_t now = now_seconds();
  t->finished(*destination, &m, now);
  if (lost && ++entry.tries < most_tries && !draining_) {
    // A new agent is tried before long; the others of this transport wait too.
    t->not_before = now + 1;
    t->put_back(*destination, std::move(entry));
  } else {
    if (lost) {
      t->not_before = now + transport_retry_.count();
      defer_entry(entry, "4.3.0", "mail transport unavailable");
    }
    if (!passed_on) closed(entry.message, entry.recipients.size());
  }
  schedule_pump();
  if (draining_ && deliveries_ == 0) service_.finished();
}

void Manager::vanish(const std::shared_ptr<Message>& message) {
  if (message->vanished) return;
  // Moved to hold, or deleted, while it was active.
  message->vanished = true;
}

void Manager::apply(const Entry& entry, const ipc::DeliverReport& report) {
  Message& m = *entry.message;
  bool any_sent = false;
  for (const ipc::DeliverResult& result : report.results) {
    const auto index = static_cast<std::size_t>(result.index);
    if (index >= m.envelope.recipients.size()) continue;
    m.verdicts[index] = {result.outcome, result};
    any_sent = any_sent || result.outcome == ipc::Outcome::sent;
  }
  for (const std::size_t index : entry.recipients)
    if (!m.verdicts.contains(index)) {
      ipc::DeliverResult missing;
      missing.index = static_cast<std::int64_t>(index);
      missing.status = "4.3.0";
      missing.text = "the delivery agent did not say what became of this "
                     "recipient";
      m.verdicts[index] = {ipc::Outcome::deferred, missing};
    }
  // Sent for good: say so in the file, unless it is about to be removed
  // because these were the last.
  if (!any_sent || m.open == entry.recipients.size()) return;
  queue::Spool::Opened opened = spool_.open(m.box, m.id);
  if (!opened.message) return;
  for (const ipc::DeliverResult& result : report.results) {
    const auto index = static_cast<std::size_t>(result.index);
    if (result.outcome != ipc::Outcome::sent ||
        index >= m.envelope.recipients.size())
      continue;
    const Status marked = spool_.mark_done(*opened.message, index);
    if (!marked) log_.warning("{}: {}", m.id, marked.trouble().text);
  }
}

// Other recipients of the same request come with entries of their own, as the
// other transport may take one at a time.
void Manager::pass_on(const Transport& from, const Entry& entry,
                      const std::string& destination) {
  const auto [name, hop] = route::Router::split_destination(destination);
  for (std::size_t i = 0; i < entry.recipients.size(); ++i) {
    Entry one;
    one.message = entry.message;
    one.recipients.push_back(entry.recipients[i]);
    one.addresses.push_back(entry.addresses[i]);
    one.nexthop = hop.empty() ? entry.nexthop : hop;
    if (name == from.name) {
      log_.warning("best_mx_transport = {} leads back to where it came from",
                   destination);
      defer_entry(one, "4.3.5", "mail system configuration error");
      closed(one.message, 1);
      continue;
    }
    Transport& to = transport(name);
    const std::string key = to.destination_key(one.nexthop, entry.addresses[i]);
    to.add(key, std::move(one), now_seconds());
  }
}

void Manager::feedback(Transport& t, Destination& destination,
                       const ipc::DeliverReport& report) {
  if (!report.destination_failed) {
    destination.window.succeeded(t.rules.concurrency);
    return;
  }
  destination.window.failed(t.rules.concurrency);
  if (destination.window.dead())
    suspend(t, destination, report.failure_status, report.failure_text);
}

// A dead destination is left alone for a while: all that waits for it is
// deferred with the reason at once.
void Manager::suspend(Transport& t, Destination& destination,
                      const std::string& status, const std::string& why) {
  if (destination.suspended) return;
  destination.suspended = true;
  destination.why_status = status;
  destination.why = "delivery temporarily suspended: " + why;
  destination.not_before = now_seconds() + retry_.minimal_backoff;
  for (const Entry& entry : t.take_waiting(destination)) {
    defer_entry(entry, destination.why_status, destination.why);
    closed(entry.message, entry.recipients.size());
  }
}

void Manager::defer_entry(const Entry& entry, const std::string& status,
                          const std::string& text) {
  Entry copy;
  copy.message = entry.message;
  copy.recipients = entry.recipients;
  copy.addresses = entry.addresses;
  copy.nexthop = (status.empty() ? "4.3.0" : status) + " " + text;
  apply(copy, deliver_builtin("retry", copy));
}

}  // namespace postern::qmgr
