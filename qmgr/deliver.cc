// How recipients reach their agents, and what the answers do to the schedule.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/ipc/messages/content.h"
#include "common/mail/verp.h"
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

// What is no feedback counts as 1.
Feedback Manager::feedback_for(const std::string& name,
                               const char* suffix,
                               const char* fallback) const {
  const config::Config& c = service_.config();
  std::string parameter = name + suffix;
  std::string value = c.text(parameter);
  if (value.empty()) {
    parameter = fallback;
    value = c.text(parameter);
  }
  const std::optional<Feedback> feedback = Feedback::parse(value);
  if (feedback) return *feedback;
  log_.warning("{} = {}: not a number from 0 to 1, NUMBER/concurrency or "
               "NUMBER/sqrt_concurrency; 1 is used",
               parameter, printable(value));
  return {};
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
  rules.concurrency.positive =
      feedback_for(name, "_destination_concurrency_positive_feedback",
                   "default_destination_concurrency_positive_feedback");
  rules.concurrency.negative =
      feedback_for(name, "_destination_concurrency_negative_feedback",
                   "default_destination_concurrency_negative_feedback");
  rules.recipient_limit = number("_destination_recipient_limit",
                                 "default_destination_recipient_limit");
  const auto pause = [&](const char* suffix, const char* fallback) {
    return Millis(c.duration(name + suffix, c.duration(fallback, Seconds(0))))
        .count();
  };
  rules.rate_delay =
      pause("_destination_rate_delay", "default_destination_rate_delay");
  rules.delimiters = c.text("recipient_delimiter");
  rules.transport_rate_delay =
      pause("_transport_rate_delay", "default_transport_rate_delay");
  rules.preempt.cost =
      number("_delivery_slot_cost", "default_delivery_slot_cost");
  rules.preempt.loan =
      number("_delivery_slot_loan", "default_delivery_slot_loan");
  rules.preempt.discount =
      number("_delivery_slot_discount", "default_delivery_slot_discount");
  rules.preempt.minimum_slots =
      number("_minimum_delivery_slots", "default_minimum_delivery_slots");
  rules.pool.limit = number("_recipient_limit", "default_recipient_limit");
  rules.pool.extra =
      number("_extra_recipient_limit", "default_extra_recipient_limit");
  rules.pool.refill =
      number("_recipient_refill_limit", "default_recipient_refill_limit");
  rules.pool.refill_delay =
      pause("_recipient_refill_delay", "default_recipient_refill_delay");
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
  take_in();
  read_more();
  const std::int64_t now = now_steady();
  std::optional<std::int64_t> wake;
  for (auto& [name, t] : transports_) {
    while (auto next = t->next(now)) {
      ++deliveries_;
      ++next->second.message->in_flight;
      nursery_.start(deliver(t.get(), next->first, std::move(next->second)));
    }
    if (const auto when = t->next_wakeup(now))
      wake = wake ? std::min(*wake, *when) : *when;
  }
  if (wake) pump_timer_.start(Millis(std::max<std::int64_t>(*wake - now, 1)));
}

ipc::DeliverRequest Manager::make_request(const Transport& t,
                                          const Entry& entry,
                                          const queue::Envelope& head) const {
  const Message& m = *entry.message;
  ipc::DeliverRequest request;
  request.queue_id = m.id;
  request.service = t.name;
  request.nexthop = entry.nexthop;
  request.sender = m.verp.empty() || entry.recipients.size() != 1
                       ? head.sender
                       : mail::verp_sender(head.sender, m.verp,
                                           entry.addresses.front());
  request.envid = head.envid;
  request.ret = head.ret;
  request.body = head.body;
  request.smtputf8 = (m.flags & ipc::smtputf8_requested) != 0;
  request.context = head.context;
  request.content_offset = m.layout.content_offset;
  request.content_size = m.layout.content_size;
  request.arrival = m.arrival;
  request.activated = m.activated;
  request.attributes = head.attributes;
  request.verify_only = (m.flags & ipc::verify_only) != 0;
  for (std::size_t i = 0; i < entry.recipients.size(); ++i) {
    const queue::Recipient& r = m.recipients.at(entry.recipients[i]);
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
  const bool probe = (m.flags & ipc::verify_only) != 0;
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
    const queue::Recipient& r = m.recipients.at(entry.recipients[i]);
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
    event.times = {m.arrival, m.activated, started, 0,
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

namespace {

// Takes those out of `entry` of whom the report says nothing.
Entry take_unanswered(Entry& entry, const ipc::DeliverReport& report) {
  std::set<std::size_t> answered;
  for (const ipc::DeliverResult& result : report.results)
    answered.insert(static_cast<std::size_t>(result.index));
  Entry kept, rest;
  for (std::size_t i = 0; i < entry.recipients.size(); ++i) {
    Entry& to = answered.contains(entry.recipients[i]) ? kept : rest;
    to.recipients.push_back(entry.recipients[i]);
    to.addresses.push_back(std::move(entry.addresses[i]));
  }
  entry.recipients = std::move(kept.recipients);
  entry.addresses = std::move(kept.addresses);
  rest.message = entry.message;
  rest.nexthop = entry.nexthop;
  return rest;
}

// Who asked to hear of success, or, with confirm_delay_cleared, was told of a
// delay. Who is tried again is told when that is over.
bool success_is_told(const RetryRules& rules, const Message& m,
                     std::int64_t notify, const ipc::DeliverResult& result) {
  if (result.outcome == ipc::Outcome::deferred) return false;
  if ((notify & ipc::notify_success) != 0) {
    if (result.parts.empty())
      return result.outcome == ipc::Outcome::sent &&
             !result.success_action.empty();
    return std::any_of(result.parts.begin(), result.parts.end(),
                       [](const ipc::DeliverPart& part) {
                         return !part.success_action.empty();
                       });
  }
  return result.outcome == ipc::Outcome::sent && rules.confirm_cleared &&
         m.delay_notice != 0 &&
         (notify == 0 || (notify & ipc::notify_delay) != 0);
}

}  // namespace

Task<void> Manager::deliver(Transport* t, Destination* destination,
                            Entry entry) {
  Message& m = *entry.message;
  const std::string program = program_of(t->name);
  const std::size_t taken = entry.recipients.size();
  ipc::DeliverReport report;
  bool lost = false;
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
    const Result<queue::Envelope> head =
        file ? head_of(m) : Result<queue::Envelope>(file.trouble());
    if (!file && place_of(m) != m.box) {
      vanish(entry.message);
    } else if (!file) {
      // Descriptors come back, disks are mended: it waits like any other.
      log_.warning("{}: {}", m.id, file.trouble().text);
      defer_entry(entry, "4.3.0", "queue file cannot be opened");
    } else if (!head) {
      log_.warning(head.trouble().text);
      defer_entry(entry, "4.3.0", "queue file cannot be read");
    } else {
      ipc::DeliverRequest request = make_request(*t, entry, *head);
      request.backlog =
          static_cast<std::int64_t>(destination->waiting()) +
          destination->busy - 1;
      request.message = std::move(*file);
      Result<ipc::DeliverReport> answer =
          co_await ask_agent(t, std::move(request));
      if (answer) {
        report = std::move(*answer);
        if (!report.pass_to.empty())
          pass_on(*t, take_unanswered(entry, report), report.pass_to);
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
  --m.in_flight;
  const std::int64_t now = now_steady();
  t->finished(*destination, &m, now, taken);
  if (lost && ++entry.tries < most_tries && !draining_) {
    // A new agent is tried before long; the others of this transport wait too.
    t->not_before = now + 1000;
    t->put_back(*destination, std::move(entry), m.order, now);
  } else {
    if (lost) {
      t->not_before = now + Millis(transport_retry_).count();
      defer_entry(entry, "4.3.0", "mail transport unavailable");
    }
    for (const std::size_t index : entry.recipients) forget_recipient(m, index);
    closed(entry.message, entry.recipients.size());
  }
  // What is left of it is the successor's.
  if (draining_ && m.in_flight == 0) m.lock = Fd();
  schedule_pump();
  finish_if_idle();
}

void Manager::put_off_entry(const Entry& entry, const std::string& status,
                            const std::string& text) {
  defer_entry(entry, status, text);
  for (const std::size_t index : entry.recipients)
    forget_recipient(*entry.message, index);
  closed(entry.message, entry.recipients.size());
}

void Manager::vanish(const std::shared_ptr<Message>& message) {
  if (message->vanished) return;
  // Moved to hold, or deleted, while it was active.
  message->vanished = true;
}

// What becomes of one recipient that is not simply sent.
void Manager::judge(Message& m, std::size_t index,
                    const ipc::DeliverResult& result) {
  constexpr std::int64_t wants_report =
      ipc::report_deliveries | ipc::verify_only;
  const queue::Recipient& r = m.recipients.at(index);
  if (is_probe(m)) return judge_probe(m, result);
  if (m.first_cycle && (m.flags & wants_report) != 0)
    add_told(m, index, r, "verify", result, m.found().verified);
  if (result.outcome == ipc::Outcome::deferred) m.found().defer(index, result);
  if (result.outcome == ipc::Outcome::bounced)
    add_told(m, index, r, "failure", result, m.found().failed);
  if (success_is_told(retry_, m, r.notify, result))
    add_told(m, index, r, "success", result, m.found().reported);
}

void Manager::apply(const Entry& entry, const ipc::DeliverReport& report) {
  Message& m = *entry.message;
  std::set<std::size_t> left(entry.recipients.begin(), entry.recipients.end());
  std::vector<std::int64_t> sent;
  for (const ipc::DeliverResult& result : report.results) {
    const auto index = static_cast<std::size_t>(result.index);
    if (left.erase(index) == 0) continue;
    judge(m, index, result);
    if (result.outcome == ipc::Outcome::sent)
      sent.push_back(m.recipients.at(index).mark);
  }
  for (const std::size_t index : left) {
    ipc::DeliverResult missing;
    missing.outcome = ipc::Outcome::deferred;
    missing.status = "4.3.0";
    missing.text = "the delivery agent did not say what became of this "
                   "recipient";
    judge(m, index, missing);
  }
  // Sent for good: say so in the file, unless it is about to be removed
  // because these were the last.
  const bool last = m.open == entry.recipients.size() && m.unread == 0 &&
                    (!m.cycle || m.cycle->plain());
  if (sent.empty() || last) return;
  // Where the administrator has moved it meanwhile (postsuper -h), too.
  const std::optional<queue::Box> place = place_of(m);
  if (!place) return;
  const Status marked = spool_.mark_done(*place, m.id, m.layout, sent);
  if (!marked) log_.warning("{}: {}", m.id, marked.trouble().text);
}

// Those that are for another transport, as entries of their own: it may take one
// at a time.
void Manager::pass_on(const Transport& from, const Entry& entry,
                      const std::string& destination) {
  const auto [name, hop] = route::Router::split_destination(destination);
  Message& m = *entry.message;
  for (std::size_t i = 0; i < entry.recipients.size(); ++i) {
    Entry one;
    one.message = entry.message;
    one.recipients.push_back(entry.recipients[i]);
    one.addresses.push_back(entry.addresses[i]);
    one.nexthop = hop.empty() ? entry.nexthop : hop;
    if (name == from.name) {
      log_.warning("best_mx_transport = {} leads back to where it came from",
                   destination);
      put_off_entry(one, "4.3.5", "mail system configuration error");
      continue;
    }
    Transport& to = transport(name);
    const std::string key = to.destination_key(one.nexthop, entry.addresses[i]);
    to.add(key, std::move(one), m.order, now_steady());
    if (m.transports.insert(&to).second && m.unread > 0)
      to.set_unread(m, static_cast<std::size_t>(m.unread));
  }
}

void Manager::feedback(Transport& t, Destination& destination,
                       const ipc::DeliverReport& report) {
  if (!report.destination_failed)
    destination.window.succeeded(t.rules.concurrency, destination.busy);
  else
    destination.window.failed(t.rules.concurrency);
  if (feedback_debug_)
    log_.info("transport {}: destination {}: {}: limit {} {}", t.name,
              destination.key,
              report.destination_failed ? "failure" : "success",
              t.rules.concurrency.limit, destination.window.text());
  if (report.destination_failed && destination.window.dead())
    suspend(t, destination, report.failure_status, report.failure_text);
}

// A dead destination is left alone for a while: all that waits for it is
// deferred with the reason at once.
void Manager::suspend(Transport& t, Destination& destination,
                      const std::string& status, const std::string& why) {
  if (destination.suspended) return;
  destination.why_status = status;
  destination.why = "delivery temporarily suspended: " + why;
  t.suspend(destination,
            now_steady() + Millis(Seconds(retry_.minimal_backoff)).count());
  for (const Entry& entry : t.take_waiting(destination))
    put_off_entry(entry, destination.why_status, destination.why);
  if (static_cast<std::int64_t>(t.destinations()) > recipient_rules_.limit)
    t.tidy(now_steady(), true);
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
