#include "local/outcome.h"

#include "common/ipc/messages/content.h"
#include "common/mail/status.h"
#include "common/service/delivery_log.h"

namespace postern::local {
namespace {

int weight(ipc::Outcome outcome) {
  switch (outcome) {
    case ipc::Outcome::sent:
      return 0;
    case ipc::Outcome::bounced:
      return 1;
    case ipc::Outcome::deferred:
      return 2;
  }
  return 2;
}

}  // namespace

Outcome::Outcome(const Settings& settings, const log::Log& log,
                 const ipc::DeliverRequest& request,
                 const ipc::DeliverRecipient& recipient, std::int64_t started)
    : settings_(settings),
      log_(log),
      request_(request),
      started_(started),
      original_(recipient.original.empty() ? recipient.address
                                           : recipient.original),
      wants_success_((recipient.notify & ipc::notify_success) != 0) {
  result_.index = recipient.index;
  result_.outcome = ipc::Outcome::sent;
  result_.status = "2.0.0";
}

void Outcome::log_line(const std::string& address, const std::string& status,
                       const char* word, const std::string& text) const {
  DeliveryEvent event;
  event.queue_id = request_.queue_id;
  event.recipient = address;
  event.original = original_;
  event.relay = request_.service;
  event.times.arrival = request_.arrival;
  event.times.activated = request_.activated;
  event.times.started = started_;
  event.times.done = wall_clock();
  event.dsn = status;
  event.status = word;
  event.text = text;
  event.external_addresses = settings_.external_addresses;
  event.decimals = settings_.delay_decimals;
  log_delivery(log_, event);
}

void Outcome::settle(ipc::Outcome outcome, const std::string& status,
                     const std::string& text) {
  if (any_ && weight(outcome) < weight(result_.outcome)) return;
  any_ = true;
  result_.outcome = outcome;
  result_.status = status;
  result_.text = text;
}

void Outcome::sent(const std::string& address, const std::string& text,
                   const std::string& action) {
  log_line(address, "2.0.0", request_.verify_only ? "deliverable" : "sent",
           text);
  // As a notice of success tells it (RFC 3464 section 2.3.6).
  settle(ipc::Outcome::sent, "2.0.0",
         "delivery via " + request_.service + ": " + text);
  if (wants_success_) result_.success_action = action;
}

void Outcome::failed(const std::string& address, const Trouble& trouble) {
  failed_ = true;
  const bool soften =
      !trouble.temporary() && settings_.soft_bounce && !request_.verify_only;
  const std::string status =
      soften ? mail::soften_status(trouble.status()) : trouble.status();
  const bool later = trouble.temporary() || soften;
  const char* word = request_.verify_only  ? "undeliverable"
                     : soften              ? "SOFTBOUNCE"
                     : trouble.temporary() ? "deferred"
                                           : "bounced";
  log_line(address, status, word, trouble.text);
  settle(later ? ipc::Outcome::deferred : ipc::Outcome::bounced, status,
         trouble.text);
}

void Outcome::adopt(const ipc::DeliverResult& result) {
  if (result.outcome != ipc::Outcome::sent) failed_ = true;
  if (any_ && weight(result.outcome) < weight(result_.outcome)) return;
  any_ = true;
  const std::int64_t index = result_.index;
  result_ = result;
  result_.index = index;
}

}  // namespace postern::local
