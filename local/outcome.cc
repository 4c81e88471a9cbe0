#include "local/outcome.h"

#include <utility>

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
      address_(recipient.address),
      original_(recipient.original.empty() ? recipient.address
                                           : recipient.original),
      wants_success_((recipient.notify & ipc::notify_success) != 0) {
  result_.index = recipient.index;
  result_.outcome = ipc::Outcome::sent;
  result_.status = "2.0.0";
}

void Outcome::log_line(const Ending& ending, const std::string& status,
                       const char* word) const {
  DeliveryEvent event;
  event.queue_id = request_.queue_id;
  event.recipient = ending.address;
  if (ending.owner.empty()) event.original = original_;
  event.relay = request_.service;
  event.times.arrival = request_.arrival;
  event.times.activated = request_.activated;
  event.times.started = started_;
  event.times.done = ending.when;
  event.dsn = status;
  event.status = word;
  event.text = ending.text;
  event.external_addresses = settings_.external_addresses;
  event.decimals = settings_.delay_decimals;
  log_delivery(log_, event);
}

// The worst counts for the recipient as a whole.
void Outcome::settle(ipc::DeliverPart part) {
  if (!any_ || weight(part.outcome) >= weight(result_.outcome)) {
    result_.outcome = part.outcome;
    result_.status = part.status;
    result_.text = part.text;
    result_.diagnostic_type = part.diagnostic_type;
    result_.diagnostic = part.diagnostic;
    result_.remote_mta = part.remote_mta;
    result_.relay = part.relay;
    result_.success_action = part.success_action;
  }
  any_ = true;
  if (expanded_) part.success_action.clear();
  parts_.push_back(std::move(part));
}

ipc::DeliverResult Outcome::result() const {
  ipc::DeliverResult result = result_;
  if (parts_.size() != 1 || parts_.front().address != address_ ||
      !parts_.front().owner.empty())
    result.parts = parts_;
  return result;
}

void Outcome::expanded(bool owned) {
  if (!wants_success_ || request_.verify_only) return;
  expanded_ = true;
  ipc::DeliverPart part;
  part.address = address_;
  part.outcome = ipc::Outcome::sent;
  part.status = "2.0.0";
  part.text = "delivery via " + request_.service + ": alias expanded";
  part.success_action = owned ? "delivered" : "expanded";
  parts_.push_back(std::move(part));
}

void Outcome::sent(const std::string& address, const std::string& text,
                   const std::string& action) {
  end({address, "2.0.0", text, action, "", owner_, wall_clock()});
}

void Outcome::failed(const std::string& address, const Trouble& trouble,
                     const std::string& said) {
  failed_ = true;
  end({address, trouble.status(), trouble.text, "", said, owner_,
       wall_clock()});
}

void Outcome::end(Ending ending) {
  if (settings_.delivery_status_filter.empty())
    publish(ending);
  else
    held_.push_back(std::move(ending));
}

void Outcome::publish_held() {
  for (const Ending& each : take_held()) publish(each);
}

void Outcome::publish(const Ending& ending) {
  if (ending.status.starts_with('2'))
    publish_sent(ending);
  else
    publish_failed(ending);
}

void Outcome::publish_sent(const Ending& ending) {
  log_line(ending, ending.status,
           request_.verify_only ? "deliverable" : "sent");
  ipc::DeliverPart part;
  part.address = ending.address;
  part.owner = ending.owner;
  part.outcome = ipc::Outcome::sent;
  part.status = ending.status;
  // As a notice of success tells it (RFC 3464 section 2.3.6).
  part.text = "delivery via " + request_.service + ": " + ending.text;
  part.success_action = ending.action;
  settle(std::move(part));
}

void Outcome::publish_failed(const Ending& ending) {
  const bool temporary = ending.status.starts_with('4');
  const bool soften =
      !temporary && settings_.soft_bounce && !request_.verify_only;
  const std::string status =
      soften ? mail::soften_status(ending.status) : ending.status;
  const char* word = request_.verify_only ? "undeliverable"
                     : soften             ? "SOFTBOUNCE"
                     : temporary          ? "deferred"
                                          : "bounced";
  log_line(ending, status, word);
  ipc::DeliverPart part;
  part.address = ending.address;
  part.owner = ending.owner;
  part.outcome =
      temporary || soften ? ipc::Outcome::deferred : ipc::Outcome::bounced;
  part.status = status;
  part.text = ending.text;
  part.relay = request_.service;
  if (!ending.said.empty()) {
    part.diagnostic_type = "x-unix";
    part.diagnostic = ending.said;
  }
  settle(std::move(part));
}

void Outcome::adopt(const std::string& address,
                    const ipc::DeliverResult& result) {
  if (result.outcome != ipc::Outcome::sent) failed_ = true;
  if (!result.parts.empty()) {
    for (const ipc::DeliverPart& each : result.parts) settle(each);
    return;
  }
  ipc::DeliverPart part;
  part.address = address;
  part.owner = owner_;
  part.outcome = result.outcome;
  part.status = result.status;
  part.text = result.text;
  part.diagnostic_type = result.diagnostic_type;
  part.diagnostic = result.diagnostic;
  part.remote_mta = result.remote_mta;
  part.relay = result.relay;
  part.success_action = result.success_action;
  settle(std::move(part));
}

}  // namespace postern::local
