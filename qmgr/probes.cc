// Address verification probes: messages that end before they are delivered
// and of which lookup alone is told (ADDRESS_VERIFICATION_README).
#include "common/ipc/messages/content.h"
#include "qmgr/manager.h"

namespace postern::qmgr {
namespace {

struct Twin {
  const char* ordinary;
  const char* of_probes;
};
constexpr Twin twins[] = {
    {"default_transport", "address_verify_default_transport"},
    {"local_transport", "address_verify_local_transport"},
    {"relay_transport", "address_verify_relay_transport"},
    {"relayhost", "address_verify_relayhost"},
    {"sender_dependent_default_transport_maps",
     "address_verify_sender_dependent_default_transport_maps"},
    {"sender_dependent_relayhost_maps",
     "address_verify_sender_dependent_relayhost_maps"},
    {"transport_maps", "address_verify_transport_maps"},
    {"virtual_transport", "address_verify_virtual_transport"},
};

// Of several addresses that one became, one that takes mail is enough.
int goodness(ipc::Outcome outcome) {
  switch (outcome) {
    case ipc::Outcome::sent: return 2;
    case ipc::Outcome::deferred: return 1;
    case ipc::Outcome::bounced: break;
  }
  return 0;
}

constexpr std::int64_t statuses[] = {
    ipc::verify_undeliverable, ipc::verify_temporary, ipc::verify_deliverable};

}  // namespace

config::Config probe_config(const config::Config& config) {
  config::NameValues changed;
  for (const Twin& twin : twins) {
    std::string value;
    for (const char c : config.text(twin.of_probes))
      value += c == '$' ? std::string("$$") : std::string(1, c);
    changed.emplace_back(twin.ordinary, std::move(value));
  }
  return config.with_overrides(changed);
}

bool is_probe(const Message& message) {
  return (message.flags & ipc::address_probe) != 0;
}

// Counts the message for as long as it is active. False: there are too many
// already (address_verify_pending_request_limit).
bool Manager::count_probe(Message& message) {
  const bool room = probes_ < probe_limit_;
  ++probes_;
  message.probe = std::shared_ptr<void>(
      &probes_, [](void* count) { --*static_cast<std::int64_t*>(count); });
  return room;
}

void Manager::judge_probe(Message& message, const ipc::DeliverResult& result) {
  const int good = goodness(result.outcome);
  if (good <= message.found().best) return;
  message.cycle->best = good;
  message.cycle->best_text = result.text;
}

Task<bool> Manager::tell_of_probe(Message* message) {
  ipc::VerifyNote note;
  const Result<queue::Envelope> head = head_of(*message);
  if (head) note.address = head->attribute("verify_address");
  const int best = message->found().best;
  if (best < 0 || note.address.empty()) co_return true;
  note.status = statuses[best];
  note.text = message->cycle->best_text;
  Result<ipc::VerifyNoted> noted = co_await lookup_.verified(std::move(note));
  if (!noted)
    log_.warning("{}: result of the probe not told: {}", message->id,
                 noted.trouble().text);
  co_return noted.ok();
}

}  // namespace postern::qmgr
