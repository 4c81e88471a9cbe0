// check_policy_service: what the services of others say (policy.h).
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "common/access/access.h"
#include "common/mail/path.h"

namespace postern::access {
namespace {

constexpr const char* built_in_default =
    "451 4.3.5 Server configuration problem";

// As Postfix has it: process, time and count, in hexadecimal.
std::string new_instance() {
  static std::uint64_t count = 0;
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  return fmt::format("{:x}.{:x}.{:x}.{}", ::getpid(), now / 1000000,
                     now % 1000000, count++);
}

}  // namespace

// Everything of SMTPD_POLICY_README, in its order.
std::string Access::request_of(const PolicyService& service) const {
  const Client& client = facts_.client;
  const bool counted = facts_.where == "DATA" ||
                       facts_.where == "END-OF-MESSAGE" ||
                       facts_.where == "BDAT";
  const tls::Facts none;
  const tls::Facts& link = facts_.tls ? *facts_.tls : none;
  const tls::PeerCertificate& peer = link.peer;
  const bool trusted = peer.trusted;
  const auto text = [](const std::optional<std::string>& value) {
    return value.value_or("");
  };
  const Attributes attributes{
      {"request", "smtpd_access_policy"},
      {"protocol_state", facts_.where},
      {"protocol_name", facts_.protocol},
      {"client_address", client.address},
      {"client_name", client.name},
      {"client_port", client.port},
      {"reverse_client_name", client.reverse_name},
      {"server_address", client.server_address},
      {"server_port", client.server_port},
      {"helo_name", text(facts_.helo)},
      {"sender", text(facts_.sender)},
      {"recipient", text(facts_.recipient)},
      {"recipient_count",
       std::to_string(counted ? facts_.recipients : 0)},
      {"queue_id", facts_.queue_id},
      {"instance", facts_.instance},
      {"size", std::to_string(facts_.size)},
      {"etrn_domain", facts_.etrn_domain},
      {"stress", settings_->stressed ? "yes" : ""},
      {"sasl_method", facts_.login ? facts_.login->method : ""},
      {"sasl_username", facts_.login ? facts_.login->user : ""},
      {"sasl_sender", facts_.sasl_sender},
      {"ccert_subject", mail::xtext_encode(trusted ? peer.subject : "")},
      {"ccert_issuer", mail::xtext_encode(trusted ? peer.issuer : "")},
      // Who compares fingerprints needs no authority's word.
      {"ccert_fingerprint", peer.fingerprint},
      {"ccert_pubkey_fingerprint", peer.key_fingerprint},
      {"encryption_protocol", link.protocol},
      {"encryption_cipher", link.cipher},
      {"encryption_keysize", std::to_string(link.used_bits)},
      {"policy_context", service.context},
  };
  return policy_request(attributes);
}

Task<Access::Outcome> Access::policy(const Restriction* restriction,
                                     Subject subject, int depth) {
  const auto found = settings_->policies.find(restriction->argument);
  if (found == settings_->policies.end()) {
    log_.warning("check_policy_service {}: no such service was named when this "
                 "process started", restriction->argument);
    co_return misconfigured();
  }
  const PolicyService* service = &found->second;
  if (facts_.instance.empty()) facts_.instance = new_instance();
  std::string request = request_of(*service);
  Result<std::string> answer =
      co_await questions_.policy(service, std::move(request));
  if (answer) {
    co_return co_await act(std::move(*answer), restriction->argument,
                           std::move(subject), depth);
  }
  if (in_default_action_) {
    co_return co_await act(built_in_default, restriction->argument,
                           std::move(subject), depth);
  }
  in_default_action_ = true;
  const Outcome outcome =
      co_await act(service->default_action, restriction->argument,
                   std::move(subject), depth);
  in_default_action_ = false;
  co_return outcome;
}

}  // namespace postern::access
