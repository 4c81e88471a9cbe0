#include "smtp/outcome.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/ipc/link.h"
#include "common/ipc/messages/content.h"

namespace postern::smtp {
namespace {

constexpr std::size_t most_words = 2048;
// A report of all recipients has to fit into a frame with room to spare; the
// words of each are its greater part.
constexpr std::size_t most_of_report = ipc::largest_frame / 2;

std::string status_of(const mail::ParsedReply& reply) {
  return reply.status.empty() ? mail::status_for_code(reply.code)
                              : reply.status;
}

// Cut at the end of a character of UTF-8.
std::string shortened(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80)
    --most;
  text.resize(most);
  return text + "...";
}

// A stranger's words, fit for notices and listings. Each recipient carries
// them, and ReplyParser takes more than anybody would read.
std::string words_of(const mail::ParsedReply& reply) {
  return printable_utf8(shortened(reply.text(), most_words));
}

Failure replied(const Target& target, const mail::ParsedReply& reply) {
  Failure failure;
  failure.status = status_of(reply);
  if (failure.status.empty() ||
      (failure.status[0] != '4' && failure.status[0] != '5'))
    failure.status = "4.5.0";
  failure.diagnostic = words_of(reply);
  failure.remote_mta = target.host;
  return failure;
}

}  // namespace

Failure from_trouble(const Trouble& trouble) {
  Failure failure;
  failure.status = trouble.status();
  failure.text = trouble.text;
  return failure;
}

Failure said(const Target& target, const mail::ParsedReply& reply,
             std::string_view command) {
  Failure failure = replied(target, reply);
  failure.text = fmt::format("host {} said: {} (in reply to {})", target.name(),
                             failure.diagnostic, command);
  return failure;
}

Failure refused_to_talk(const Target& target, const mail::ParsedReply& reply) {
  Failure failure = replied(target, reply);
  failure.text = fmt::format("host {} refused to talk to me: {}", target.name(),
                             failure.diagnostic);
  failure.of_destination = true;
  return failure;
}

Failure hung_up(const Target& target, const Hangup& hangup,
                std::string_view doing) {
  Failure failure;
  failure.status = "4.4.2";
  failure.of_destination = true;
  if (hangup.why == Hangup::Why::timed_out)
    failure.text = fmt::format("conversation with {} timed out while {}",
                               target.name(), doing);
  else
    failure.text =
        fmt::format("lost connection with {} while {}", target.name(), doing);
  return failure;
}

Ledger::Ledger(const ipc::DeliverRequest& request, const Settings& settings,
               const log::Log& log)
    : request_(request),
      settings_(settings),
      log_(log),
      settled_(request.recipients.size(), false),
      postponed_(request.recipients.size()),
      open_(request.recipients.size()) {
  times_.arrival = request.arrival;
  times_.activated = request.activated;
  times_.started = wall_clock();
}

std::vector<std::size_t> Ledger::open() const {
  std::vector<std::size_t> out;
  out.reserve(open_);
  for (std::size_t i = 0; i < settled_.size(); ++i)
    if (!settled_[i]) out.push_back(i);
  return out;
}

void Ledger::reached(std::string relay, int session_uses) {
  relay_ = std::move(relay);
  session_uses_ = session_uses;
}

void Ledger::session_ready() { times_.connected = wall_clock(); }

void Ledger::sent(std::size_t recipient, const mail::ParsedReply& reply,
                  bool dsn) {
  ipc::DeliverResult result;
  result.outcome = ipc::Outcome::sent;
  result.status = status_of(reply);
  result.text = words_of(reply);
  result.diagnostic_type = "smtp";
  result.diagnostic = result.text;
  result.remote_mta = relay_.substr(0, relay_.find('['));
  if (!dsn)
    result.success_action = settings_.assume_final ? "delivered" : "relayed";
  settle(recipient, std::move(result));
}

bool Ledger::postpone(const Failure& failure) const {
  return !last_chance_ && (failure.temporary() || settings_.soft_bounce);
}

void Ledger::refuse(std::size_t recipient, const Failure& failure) {
  if (!postpone(failure)) {
    settle_failed(recipient, failure);
    return;
  }
  log_.info("{}: {}", request_.queue_id, failure.text);
  postponed_[recipient] = failure;
}

void Ledger::refuse_all(const Failure& failure) {
  if (postpone(failure)) {
    log_.info("{}: {}", request_.queue_id, failure.text);
    for (const std::size_t i : open()) postponed_[i] = failure;
    return;
  }
  note_destination(failure);
  for (const std::size_t i : open()) settle_failed(i, failure);
}

void Ledger::settle_postponed() {
  for (const std::size_t i : open()) {
    Failure failure = postponed_[i];
    if (failure.status.empty()) {
      failure.status = "4.3.0";
      failure.text = "server unavailable or unable to receive mail";
    }
    note_destination(failure);
    settle_failed(i, failure);
  }
}

void Ledger::note_destination(const Failure& failure) {
  const bool retry = failure.temporary() || settings_.soft_bounce;
  if (!failure.of_destination || !retry || report_.destination_failed) return;
  report_.destination_failed = true;
  report_.failure_status = mail::soften_status(failure.status);
  report_.failure_text = failure.text;
}

void Ledger::settle_failed(std::size_t recipient, const Failure& failure) {
  ipc::DeliverResult result;
  result.outcome = ipc::Outcome::bounced;
  result.status = failure.status;
  result.text = failure.text;
  if (!failure.diagnostic.empty()) {
    result.diagnostic_type = "smtp";
    result.diagnostic = failure.diagnostic;
    result.remote_mta = failure.remote_mta;
  }
  settle(recipient, std::move(result));
}

void Ledger::settle(std::size_t recipient, ipc::DeliverResult result) {
  times_.done = wall_clock();
  settled_[recipient] = true;
  --open_;
  Verdict verdict{recipient, std::move(result), relay_, session_uses_, times_};
  if (settings_.delivery_status_filter.empty())
    publish(std::move(verdict));
  else
    held_.push_back(std::move(verdict));
}

void Ledger::publish(Verdict verdict) {
  const ipc::DeliverRecipient& who = request_.recipients[verdict.recipient];
  ipc::DeliverResult& result = verdict.result;
  std::string_view word = request_.verify_only ? "deliverable" : "sent";
  if (result.outcome != ipc::Outcome::sent) {
    const bool temporary = result.status.starts_with('4');
    const bool softened = !temporary && settings_.soft_bounce;
    if (softened) result.status = mail::soften_status(result.status);
    result.outcome = temporary || softened ? ipc::Outcome::deferred
                                           : ipc::Outcome::bounced;
    word = temporary ? "deferred" : softened ? "SOFTBOUNCE" : "bounced";
    if (request_.verify_only) word = "undeliverable";
  }
  result.index = who.index;

  DeliveryEvent event;
  event.queue_id = request_.queue_id;
  event.recipient = who.address;
  event.original = who.original;
  event.relay = verdict.relay;
  event.session_uses = verdict.session_uses;
  event.times = verdict.times;
  event.dsn = result.status;
  event.status = word;
  event.text = result.text;
  event.external_addresses = settings_.external_addresses;
  event.decimals = settings_.delay_decimals;
  log_delivery(log_, event);

  // The log line has the relay in a field of its own; a notice has not.
  if (result.outcome == ipc::Outcome::sent)
    result.text = "delivery via " + verdict.relay + ": " + result.text;
  else if (verdict.relay != "none")
    result.relay = verdict.relay;
  const std::size_t share = most_of_report / 2 / request_.recipients.size();
  result.text = shortened(std::move(result.text), share);
  result.diagnostic = shortened(std::move(result.diagnostic), share);
  report_.results.push_back(std::move(result));
}

}  // namespace postern::smtp
