// Notices about a message: of all recipients of a kind, or, where there are
// very many, of some at a time.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "common/ipc/messages/content.h"
#include "common/mail/verp.h"
#include "qmgr/manager.h"

namespace postern::qmgr {
namespace {

constexpr Millis notice_limit = std::chrono::minutes(10);

// A notice tells of so many recipients at most; a request has to fit into a
// frame.
constexpr std::size_t most_told = 2000;
constexpr std::size_t most_bytes = 1u << 20;

std::size_t bytes_of(const ipc::NoticeRecipient& r) {
  return 200 + r.address.size() + r.original.size() + r.orcpt.size() +
         r.text.size() + r.diagnostic.size() + r.remote_mta.size();
}

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

// Does a notice of this kind tell of this delivery? Of an alias that was
// expanded nothing else is told to who asked to hear of success.
bool belongs(const std::string& kind, const ipc::DeliverPart& part,
             bool asked) {
  if (kind == "failure") return part.outcome != ipc::Outcome::sent;
  if (kind == "delay") return part.outcome == ipc::Outcome::deferred;
  if (kind == "success")
    return part.outcome == ipc::Outcome::sent &&
           !(asked && part.success_action.empty());
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

}  // namespace

// What a notice of this kind says of a recipient: nothing, or something of each
// delivery that it became.
void Manager::add_told(const Message& m, std::size_t index,
                       const queue::Recipient& r, const std::string& kind,
                       const ipc::DeliverResult& result,
                       std::vector<Told>& told) const {
  const bool asked = (r.notify & ipc::notify_success) != 0;
  const bool to_owners = kind == "failure" || kind == "delay";
  for (const ipc::DeliverPart& part : parts_of(r.address, result)) {
    if (!belongs(kind, part, asked)) continue;
    Told one;
    one.index = index;
    one.mark = r.mark;
    if (to_owners) one.owner = part.owner;
    ipc::NoticeRecipient& out = one.what;
    out.address = part.address;
    if (part.owner.empty()) {
      out.original = r.original;
      out.orcpt = r.orcpt;
      out.notify = r.notify;
    }
    out.action = action_for(kind, part, (m.flags & ipc::verify_only) != 0);
    out.status = part.status;
    out.text = part.text;
    if (kind == "verify" && !part.relay.empty())
      out.text = "delivery via " + part.relay + ": " + part.text;
    out.diagnostic_type = part.diagnostic_type;
    out.diagnostic = part.diagnostic;
    out.remote_mta = part.remote_mta;
    told.push_back(std::move(one));
  }
}

// True when the notice is on disk, or the rules say that none is due.
// `owner`: who is told instead of the message's sender.
Task<bool> Manager::send_notice(Message* message, std::string kind,
                                std::string owner,
                                std::vector<ipc::NoticeRecipient> recipients) {
  Message& m = *message;
  Result<queue::Envelope> head = head_of(m);
  Result<Fd> file = spool_.open_read_only(m.box, m.id);
  if (!head || !file) {
    log_.warning("{}: {}", m.id,
                 file ? head.trouble().text : file.trouble().text);
    co_return false;
  }
  ipc::NoticeRequest request;
  request.kind = std::move(kind);
  request.queue_id = m.id;
  request.layout = queue::encode_layout(m.layout);
  // Each VERP recipient has a return address of its own.
  if (!m.verp.empty() && verp_bounces_)
    head->sender = mail::verp_sender(head->sender, m.verp,
                                     recipients.front().address);
  // A notice about a notice goes to nobody's list.
  if (!owner.empty() && !head->sender.empty()) {
    head->sender = std::move(owner);
    head->envid.clear();
    head->ret.clear();
  }
  request.envelope = queue::encode_envelope(*head);
  request.recipients = std::move(recipients);
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

// To the sender, and to the owners of lists of whom a part is. `mark`: who was
// told of is done. False: some could not be told of; where failures were to be
// told, they wait.
Task<bool> Manager::tell(Message* message, std::string kind,
                         std::vector<Told> told, bool mark) {
  std::map<std::string, std::vector<Told>> by_owner;
  for (Told& each : told) by_owner[each.owner].push_back(std::move(each));
  bool all = true;
  for (auto group = by_owner.begin(); group != by_owner.end(); ++group) {
    std::string owner = group->first;
    const bool sent = co_await tell_owner(message, kind, std::move(owner),
                                          std::move(group->second), mark);
    all = all && sent;
  }
  co_return all;
}

// In as many notices as it takes.
Task<bool> Manager::tell_owner(Message* message, std::string kind,
                               std::string owner, std::vector<Told> told,
                               bool mark) {
  Message& m = *message;
  bool all = true;
  const bool single = !m.verp.empty() && verp_bounces_;
  for (std::size_t begin = 0; begin < told.size();) {
    std::vector<ipc::NoticeRecipient> some;
    std::vector<std::int64_t> marks;
    std::size_t bytes = 0;
    std::size_t end = begin;
    while (end < told.size() && bytes < most_bytes &&
           some.size() < (single ? 1 : most_told)) {
      bytes += bytes_of(told[end].what);
      some.push_back(told[end].what);
      marks.push_back(told[end].mark);
      ++end;
    }
    const bool sent = co_await send_notice(&m, kind, owner, std::move(some));
    all = all && sent;
    if (sent && mark) {
      const Status marked = spool_.mark_done(m.box, m.id, m.layout, marks);
      if (!marked) log_.warning("{}: {}", m.id, marked.trouble().text);
    }
    if (!sent && kind == "failure") {
      // No notice, no end: these recipients are tried again later.
      for (std::size_t i = begin; i < end; ++i) {
        ipc::DeliverResult why;
        why.status = told[i].what.status;
        why.text = told[i].what.text;
        m.found().defer(told[i].index, why);
      }
    }
    begin = end;
  }
  co_return all;
}

// Where very many have to be told of, it begins before the cycle is over.
void Manager::tell_in_time(const std::shared_ptr<Message>& message) {
  Message& m = *message;
  if (!m.cycle || m.settling || is_probe(m)) return;
  const auto start = [&](const char* kind, std::vector<Told>& told) {
    if (told.size() < most_told) return;
    ++m.open;
    ++settling_;
    ++m.in_flight;
    nursery_.start(tell_part(message, kind, std::exchange(told, {})));
  };
  start("verify", m.cycle->verified);
  if ((m.flags & ipc::verify_only) != 0) return;
  start("success", m.cycle->reported);
  start("failure", m.cycle->failed);
}

Task<void> Manager::tell_part(std::shared_ptr<Message> message,
                              std::string kind, std::vector<Told> told) {
  const bool mark = kind == "failure";
  const bool all =
      co_await tell(message.get(), kind, std::move(told), mark);
  if (!all) log_.warning("{}: {} notice not sent", message->id, kind);
  closed(message, 1);
  --settling_;
  if (--message->in_flight == 0 && draining_) message->lock = Fd();
  finish_if_idle();
}

// Those that have waited too long, as failures.
void Manager::gather_deferred(Message& m) {
  const Result<Fd> file = spool_.open_read_only(m.box, m.id);
  if (!file) return;
  std::map<std::size_t, std::uint32_t> reasons;
  for (const Cycle::Waiting& each : std::exchange(m.cycle->deferred, {}))
    reasons[each.index] = each.reason;
  queue::EnvelopeReader reader(file->get(), m.layout);
  while (!reasons.empty()) {
    const std::optional<queue::Recipient> recipient = reader.next();
    if (!recipient) break;
    const auto found =
        reasons.find(static_cast<std::size_t>(reader.place().index - 1));
    if (found == reasons.end()) continue;
    add_told(m, found->first, *recipient, "failure",
             m.cycle->reasons[found->second], m.cycle->failed);
    reasons.erase(found);
  }
  // What could not be read waits.
  for (const auto& [index, reason] : reasons)
    m.cycle->deferred.push_back({static_cast<std::uint32_t>(index), reason});
}

// Of all that are deferred: that they failed for good ("failure"), or wait
// ("delay"). Their addresses are read from the file again.
Task<bool> Manager::tell_deferred(Message* message, std::string kind) {
  Message& m = *message;
  std::vector<Cycle::Waiting> waiting = std::exchange(m.found().deferred, {});
  std::sort(waiting.begin(), waiting.end(),
            [](const Cycle::Waiting& a, const Cycle::Waiting& b) {
              return a.index < b.index;
            });
  const bool ends = kind == "failure";
  if (!ends) m.cycle->deferred = waiting;
  const Result<Fd> file = spool_.open_read_only(m.box, m.id);
  if (!file) {
    m.cycle->deferred = waiting;
    co_return false;
  }
  queue::EnvelopeReader reader(file->get(), m.layout);
  bool all = true;
  std::vector<Told> some;
  std::size_t at = 0;
  while (at < waiting.size()) {
    const std::optional<queue::Recipient> recipient = reader.next();
    if (!recipient) break;
    if (reader.place().index - 1 < waiting[at].index) continue;
    add_told(m, waiting[at].index, *recipient, kind,
             m.cycle->reasons[waiting[at].reason], some);
    ++at;
    if (some.size() < most_told && at < waiting.size()) continue;
    std::vector<Told> now = std::move(some);
    some.clear();
    const bool told = co_await tell(&m, kind, std::move(now), ends);
    all = all && told;
  }
  if (at < waiting.size()) {
    log_.warning("{}: its envelope cannot be read to the end", m.id);
    // Those that were read but not told of, and those beyond, wait.
    if (!some.empty()) {
      const std::size_t first = some.front().index;
      while (at > 0 && waiting[at - 1].index >= first) --at;
    }
    if (ends)
      m.cycle->deferred.insert(m.cycle->deferred.end(),
                               waiting.begin() + static_cast<std::ptrdiff_t>(at),
                               waiting.end());
    all = false;
  }
  co_return all;
}

}  // namespace postern::qmgr
