// The end of a message's cycle: all recipients have a verdict. Who failed is
// told of, who waits is put off, and when nobody is left the file goes.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/ipc/messages/content.h"
#include "common/mail/address.h"
#include "qmgr/manager.h"

namespace postern::qmgr {
namespace {

// Reasons that differ from each other are kept up to this number; what is
// beyond says only where they are.
constexpr std::size_t most_reasons = 5000;

// A file that cannot be moved or removed: it is tried again after so long.
constexpr Seconds move_again{2};

// One notice tells of so many that failed and of those that waited too long.
constexpr std::size_t few_deferred = 1000;

}  // namespace

void Cycle::defer(std::size_t index, const ipc::DeliverResult& why) {
  ipc::DeliverResult reason = why;
  reason.index = 0;
  if (reasons.size() >= most_reasons) {
    reason = {};
    reason.status = why.status;
    reason.text = "delivery was put off; the mail log has the reason";
    reason.outcome = ipc::Outcome::deferred;
  }
  std::string key;
  for (const std::string& part :
       {reason.status, reason.text, reason.diagnostic_type, reason.diagnostic,
        reason.remote_mta})
    key += part + '\n';
  for (const ipc::DeliverPart& part : reason.parts)
    key += part.address + '\n' + part.owner + '\n' + part.status + '\n' +
           part.text + '\n';
  const auto [known, fresh] = known_reasons.try_emplace(
      std::move(key), static_cast<std::uint32_t>(reasons.size()));
  if (fresh) reasons.push_back(std::move(reason));
  deferred.push_back({static_cast<std::uint32_t>(index), known->second});
}

// `count` of what was open came back.
void Manager::closed(const std::shared_ptr<Message>& message,
                     std::size_t count) {
  Message& m = *message;
  m.open -= count;
  if (m.settling) return;
  tell_in_time(message);
  if (m.unread > 0 && !m.vanished) {
    // Not from here: what is read may come back before we return.
    wants_more_.emplace(m.order, message);
    schedule_pump();
    return;
  }
  if (m.open > 0) return;
  m.settling = true;
  set_unread(m, 0);
  ++settling_;
  ++m.in_flight;
  nursery_.start(settle(message));
}

Task<void> Manager::settle(std::shared_ptr<Message> message) {
  Message& m = *message;
  if (!m.vanished) {
    co_await conclude(&m);
  }
  active_.erase(m.id);
  --m.in_flight;
  m.lock = Fd();
  --settling_;
  finish_if_idle();
  schedule_pump();
}

// Who failed is told of; then the file goes, or waits.
Task<void> Manager::conclude(Message* message) {
  Message& m = *message;
  const std::int64_t now = now_seconds();
  Cycle& cycle = m.found();
  if (is_probe(m)) {
    co_await tell_of_probe(&m);
    cycle = Cycle();
  }
  if (!cycle.verified.empty()) {
    std::vector<Told> all = std::move(cycle.verified);
    cycle.verified.clear();
    const bool told = co_await tell(&m, "verify", std::move(all), false);
    if (!told) log_.warning("{}: delivery report not sent", m.id);
  }
  // Such a message ends here, whatever was found.
  if ((m.flags & ipc::verify_only) != 0) cycle = Cycle();
  if (!cycle.reported.empty()) {
    std::vector<Told> all = std::move(cycle.reported);
    cycle.reported.clear();
    const bool told = co_await tell(&m, "success", std::move(all), false);
    if (!told) log_.warning("{}: success notice not sent", m.id);
  }
  if (!cycle.deferred.empty() && spool_.force_expired(m.box, m.id))
    m.expire_now = true;
  const bool ends =
      !cycle.deferred.empty() &&
      (m.expire_now ||
       expired(retry_, m.sender.empty(), m.arrival_seconds(), now));
  if (ends)
    log_.info("{}: from=<{}>, status={}, returned to sender", m.id,
              mail::quote_local_822(m.sender),
              m.expire_now ? "force-expired" : "expired");
  if (ends && cycle.deferred.size() <= few_deferred) gather_deferred(m);
  if (!cycle.failed.empty()) {
    // Where one notice tells of all, all end or wait together.
    const bool mark = !cycle.deferred.empty() || cycle.failed.size() > 50 ||
                      !m.verp.empty();
    std::vector<Told> all = std::move(cycle.failed);
    cycle.failed.clear();
    co_await tell(&m, "failure", std::move(all), mark);
  }
  if (ends && !cycle.deferred.empty()) {
    co_await tell_deferred(&m, "failure");
  }
  if (!cycle.deferred.empty() && !ends &&
      warn_of_delay(retry_, m.arrival_seconds(), m.delay_notice, now)) {
    const bool told = co_await tell_deferred(&m, "delay");
    if (told) m.delay_notice = now;
  }
  const bool stays = m.incomplete || !cycle.deferred.empty();
  // While it lies in active nobody else would look at it.
  while (!(stays ? put_off(m) : remove(m)) && !draining_) {
    co_await pause(move_again);
  }
}

// Where its file is; the administrator may have moved it. nullopt: gone.
std::optional<queue::Box> Manager::place_of(const Message& message) {
  for (const queue::Box box :
       {message.box, queue::Box::active, queue::Box::hold,
        queue::Box::deferred, queue::Box::incoming})
    if (spool_.modified(box, message.id)) return box;
  return std::nullopt;
}

// False: to be tried again.
bool Manager::remove(const Message& message) {
  // One that was put on hold after its last delivery would be delivered again.
  const queue::Box box = place_of(message).value_or(message.box);
  const Status removed = spool_.remove(box, message.id);
  if (removed) {
    log_.info("{}: removed", message.id);
    return true;
  }
  log_.warning("{}: {}", message.id, removed.trouble().text);
  return !spool_.modified(box, message.id);
}

// False: to be tried again.
bool Manager::put_off(Message& m) {
  if (place_of(m) != m.box) return true;  // the administrator has moved it
  std::vector<Cycle::Waiting>& waiting = m.cycle->deferred;
  std::sort(waiting.begin(), waiting.end(),
            [](const Cycle::Waiting& a, const Cycle::Waiting& b) {
              return a.index < b.index;
            });
  // One that several were to be told of.
  waiting.erase(std::unique(waiting.begin(), waiting.end(),
                            [](const Cycle::Waiting& a,
                               const Cycle::Waiting& b) {
                              return a.index == b.index;
                            }),
                waiting.end());
  queue::Results results;
  results.delay_notice = m.delay_notice;
  std::uint32_t reason = 0;
  for (const Cycle::Waiting& each : waiting) {
    const bool goes_on = !results.attempts.empty() && reason == each.reason &&
                         results.attempts.back().last + 1 == each.index;
    if (!goes_on) {
      const ipc::DeliverResult& r = m.cycle->reasons[each.reason];
      results.attempts.push_back({each.index, r.status, r.text, each.index});
    }
    results.attempts.back().last = each.index;
    reason = each.reason;
  }
  const Status written =
      spool_.write_results(m.box, m.id, m.layout, results);
  if (!written) log_.warning("{}: {}", m.id, written.trouble().text);
  const std::int64_t when =
      next_attempt(retry_, m.arrival_seconds(), now_seconds());
  const Status timed = spool_.set_next_attempt(m.box, m.id, when);
  if (!timed) log_.warning("{}: {}", m.id, timed.trouble().text);
  const Status moved = spool_.move(m.id, m.box, queue::Box::deferred);
  if (!moved) log_.warning("{}: {}", m.id, moved.trouble().text);
  return moved.ok() || place_of(m) != m.box;
}

}  // namespace postern::qmgr
