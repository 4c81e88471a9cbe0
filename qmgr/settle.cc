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

constexpr Millis notice_limit = std::chrono::minutes(10);

// The deliveries that a recipient became; one, most often.
std::vector<ipc::DeliverPart> parts_of(const std::string& address,
                                       const ipc::DeliverResult& result) {
  if (!result.parts.empty()) return result.parts;
  ipc::DeliverPart one;
  one.address = address;
  one.outcome = result.outcome;
  one.status = result.status;
  one.text = result.text;
  one.diagnostic_type = result.diagnostic_type;
  one.diagnostic = result.diagnostic;
  one.remote_mta = result.remote_mta;
  one.relay = result.relay;
  one.success_action = result.success_action;
  return {one};
}

// Does a notice of this kind tell of this delivery?
bool belongs(const std::string& kind, const ipc::DeliverPart& part) {
  if (kind == "failure") return part.outcome != ipc::Outcome::sent;
  if (kind == "delay") return part.outcome == ipc::Outcome::deferred;
  if (kind == "success") return part.outcome == ipc::Outcome::sent;
  return part.success_action != "expanded";
}

// RFC 3464 section 2.3.3.
std::string action_for(const std::string& kind, const ipc::DeliverPart& part,
                       bool deliverable) {
  if (kind == "failure") return "failed";
  if (kind == "delay") return "delayed";
  if (kind == "success" && !part.success_action.empty())
    return part.success_action;
  switch (part.outcome) {
    case ipc::Outcome::bounced: return deliverable ? "undeliverable" : "failed";
    case ipc::Outcome::deferred:
      return deliverable ? "undeliverable" : "delayed";
    case ipc::Outcome::sent: break;
  }
  if (deliverable) return "deliverable";
  // The relaying agents say which host took it.
  return part.remote_mta.empty() ? "delivered" : "relayed";
}

// Who asked to hear of success, or, with confirm_delay_cleared, would have
// been told of a delay that was told of before.
bool success_is_told(const RetryRules& rules, const Message& message,
                     std::size_t index, const Verdict& verdict) {
  // Who is tried again is told when that is over.
  if (verdict.outcome == ipc::Outcome::deferred) return false;
  const std::int64_t notify = message.envelope.recipients[index].notify;
  if ((notify & ipc::notify_success) != 0) {
    const std::vector<ipc::DeliverPart>& parts = verdict.result.parts;
    return std::any_of(parts.begin(), parts.end(),
                       [](const ipc::DeliverPart& part) {
                         return !part.success_action.empty();
                       }) ||
           (parts.empty() && verdict.outcome == ipc::Outcome::sent &&
            !verdict.result.success_action.empty());
  }
  return verdict.outcome == ipc::Outcome::sent && rules.confirm_cleared && message.delay_notice != 0 &&
         (notify == 0 || (notify & ipc::notify_delay) != 0);
}

}  // namespace

// `recipients` fewer are open.
void Manager::closed(const std::shared_ptr<Message>& message,
                     std::size_t recipients) {
  message->open -= recipients;
  if (message->open > 0 || message->settling) return;
  message->settling = true;
  nursery_.start(settle(message));
}

Task<void> Manager::settle(std::shared_ptr<Message> message) {
  Message& m = *message;
  const std::int64_t now = now_seconds();
  std::vector<std::size_t> bounced, deferred, reported;
  for (const auto& [index, verdict] : m.verdicts) {
    if (verdict.outcome == ipc::Outcome::bounced) bounced.push_back(index);
    if (verdict.outcome == ipc::Outcome::deferred) deferred.push_back(index);
    if (success_is_told(retry_, m, index, verdict))
      reported.push_back(index);
  }
  if (m.vanished) {
    active_.erase(m.id);
    co_return;
  }
  if (!deferred.empty() && spool_.force_expired(m.box, m.id))
    m.expire_now = true;
  if (!deferred.empty() &&
      (m.expire_now || expired(retry_, m.envelope.sender.empty(),
                               m.arrival_seconds(), now))) {
    log_.info("{}: from=<{}>, status={}, returned to sender", m.id,
              mail::quote_local_822(m.envelope.sender),
              m.expire_now ? "force-expired" : "expired");
    bounced.insert(bounced.end(), deferred.begin(), deferred.end());
    deferred.clear();
  }
  constexpr std::int64_t wants_report =
      ipc::report_deliveries | ipc::verify_only;
  if (is_probe(m)) {
    co_await tell_of_probe(&m);
    bounced.clear();
    deferred.clear();
    reported.clear();
  } else if (m.first_cycle && (m.envelope.flags & wants_report) != 0) {
    std::vector<std::size_t> all;
    for (const auto& [index, verdict] : m.verdicts) all.push_back(index);
    const bool told = co_await send_notice(&m, "verify", all);
    if (!told) log_.warning("{}: delivery report not sent", m.id);
    // A probe ends here, whatever it found.
    if ((m.envelope.flags & ipc::verify_only) != 0) {
      bounced.clear();
      deferred.clear();
      reported.clear();
    }
  }
  if (!reported.empty()) {
    const bool told = co_await send_notice(&m, "success", reported);
    if (!told) log_.warning("{}: success notice not sent", m.id);
  }
  if (!bounced.empty()) {
    const bool told = co_await send_notice(&m, "failure", bounced);
    if (!told) {
      // No notice, no end: these recipients are tried again later.
      deferred.insert(deferred.end(), bounced.begin(), bounced.end());
      bounced.clear();
    }
  }
  if (!deferred.empty() && warn_of_delay(retry_, m.arrival_seconds(),
                                         m.delay_notice, now)) {
    const bool told = co_await send_notice(&m, "delay", deferred);
    if (told) m.delay_notice = now;
  }
  if (deferred.empty()) {
    remove(m);
  } else {
    // Whom the sender was told of is done; that survives in the file.
    queue::Spool::Opened opened = spool_.open(m.box, m.id);
    if (opened.message)
      for (const auto& [index, verdict] : m.verdicts) {
        const bool waits = std::find(deferred.begin(), deferred.end(),
                                     index) != deferred.end();
        if (waits) continue;
        const Status marked = spool_.mark_done(*opened.message, index);
        if (!marked) log_.warning("{}: {}", m.id, marked.trouble().text);
      }
    put_off(m, std::move(deferred));
  }
  active_.erase(m.id);
  schedule_pump();
}

void Manager::remove(const Message& message) {
  const Status removed = spool_.remove(message.box, message.id);
  if (removed)
    log_.info("{}: removed", message.id);
  else
    log_.warning("{}: {}", message.id, removed.trouble().text);
}

void Manager::put_off(Message& m, std::vector<std::size_t> deferred) {
  queue::Spool::Opened opened = spool_.open(m.box, m.id);
  if (!opened.message) {
    if (opened.why != queue::Unreadable::absent)
      log_.warning("{}: {}", m.id, opened.text);
    return;
  }
  queue::Results results;
  results.delay_notice = m.delay_notice;
  for (const std::size_t index : deferred) {
    const ipc::DeliverResult& r = m.verdicts.at(index).result;
    results.attempts.push_back(
        {static_cast<std::int64_t>(index), r.status, r.text});
  }
  const Status written = spool_.write_results(*opened.message, results);
  if (!written) log_.warning("{}: {}", m.id, written.trouble().text);
  const std::int64_t when =
      next_attempt(retry_, m.arrival_seconds(), now_seconds());
  const Status timed = spool_.set_next_attempt(m.box, m.id, when);
  if (!timed) log_.warning("{}: {}", m.id, timed.trouble().text);
  const Status moved = spool_.move(m.id, m.box, queue::Box::deferred);
  if (moved)
    deferred_[m.id] = when;
  else
    log_.warning("{}: {}", m.id, moved.trouble().text);
}

// What a notice of this kind says of a recipient, by who is to be told: "" is
// the message's sender.
void Manager::tell_of(const Message& m, std::size_t index,
                      const std::string& kind, NoticeTexts& texts) const {
  const queue::Recipient& r = m.envelope.recipients[index];
  const bool asked = (r.notify & ipc::notify_success) != 0;
  for (const ipc::DeliverPart& part :
       parts_of(r.address, m.verdicts.at(index).result)) {
    if (!belongs(kind, part)) continue;
    // Of an alias that was expanded nothing else is told.
    if (kind == "success" && asked && part.success_action.empty()) continue;
    ipc::NoticeRecipient out;
    out.address = part.address;
    if (part.owner.empty()) {
      out.original = r.original;
      out.orcpt = r.orcpt;
      out.notify = r.notify;
    }
    out.action = action_for(kind, part,
                            (m.envelope.flags & ipc::verify_only) != 0);
    out.status = part.status;
    out.text = part.text;
    if (kind == "verify" && !part.relay.empty())
      out.text = "delivery via " + part.relay + ": " + part.text;
    out.diagnostic_type = part.diagnostic_type;
    out.diagnostic = part.diagnostic;
    out.remote_mta = part.remote_mta;
    const bool own = kind != "failure" && kind != "delay";
    texts[own ? "" : part.owner].push_back(std::move(out));
  }
}

// True when all notices are on disk, or the rules say that none is due.
Task<bool> Manager::send_notice(Message* message, std::string kind,
                                std::vector<std::size_t> recipients) {
  NoticeTexts texts;
  for (const std::size_t index : recipients)
    tell_of(*message, index, kind, texts);
  for (auto each = texts.begin(); each != texts.end(); ++each) {
    const std::string owner = each->first;
    const bool sent = co_await send_notice_to(message, kind, owner,
                                              std::move(each->second));
    if (!sent) co_return false;
  }
  co_return true;
}

Task<bool> Manager::send_notice_to(
    Message* message, std::string kind, std::string owner,
    std::vector<ipc::NoticeRecipient> recipients) {
  Message& m = *message;
  ipc::NoticeRequest request;
  request.kind = kind;
  request.queue_id = m.id;
  request.layout = m.layout_bytes;
  request.envelope = m.envelope_bytes;
  // A notice about a notice goes to nobody's list.
  if (!owner.empty() && !m.envelope.sender.empty()) {
    queue::Envelope envelope = m.envelope;
    envelope.sender = owner;
    envelope.envid.clear();
    envelope.ret.clear();
    request.envelope = queue::encode_envelope(envelope);
  }
  request.recipients = std::move(recipients);
  Result<Fd> file = spool_.open_read_only(m.box, m.id);
  if (!file) {
    log_.warning("{}: {}", m.id, file.trouble().text);
    co_return false;
  }
  request.message = std::move(*file);
  Result<ipc::NoticeDone> done =
      co_await notices_.ask(std::move(request), notice_limit);
  if (!done) {
    log_.warning("{}: {}", m.id, done.trouble().text);
    co_return false;
  }
  if (done->trouble.present) {
    log_.warning("{}: {}", m.id, done->trouble.text);
    co_return false;
  }
  co_return true;
}

}  // namespace postern::qmgr
