// reject_unverified_sender and reject_unverified_recipient: is there a mail
// server that takes mail for the address? lookup knows, or sends a probe.
#include <fmt/format.h>

#include "common/access/access.h"

namespace postern::access {

Task<Access::Outcome> Access::unverified(std::string address, bool as_sender) {
  const Unverified& rules = as_sender ? settings_->unverified_sender
                                      : settings_->unverified_recipient;
  const char* kind = as_sender ? "Sender address" : "Recipient address";
  const char* status = as_sender ? "4.1.7" : "4.1.1";
  const std::string from = as_sender ? "" : facts_.sender.value_or("");
  Result<route::Resolved> resolved = co_await questions_.resolve(from, address);
  ipc::VerifyFind question;
  question.address = resolved ? resolved->recipient : address;
  question.wait = settings_->verify_wait.count();
  Result<ipc::VerifyAnswer> answer =
      co_await questions_.verify(std::move(question));
  if (!answer || answer->trouble.present) {
    log_.warning("address verification: {}",
                 answer ? answer->trouble.text : answer.trouble().text);
    co_return refuse_later(
        rules.defer_now, Fault::policy, 450, status,
        fmt::format("<{}>: {} rejected: address verification problem", address,
                    kind));
  }
  if (answer->status == ipc::verify_deliverable) co_return Outcome::go_on;
  const bool never = answer->status == ipc::verify_undeliverable;
  const int code = never ? rules.reject_code : rules.defer_code;
  // 250 in place of a code: known, and taken all the same.
  if (code / 100 == 2) co_return Outcome::go_on;
  const std::string& why = rules.reason.empty() ? answer->text : rules.reason;
  if (code / 100 == 4)
    co_return refuse_later(
        rules.defer_now, Fault::policy, code, status,
        fmt::format("<{}>: {} rejected: unverified address: {:.250}", address,
                    kind, why));
  co_return refuse(Fault::policy, code, status,
                   fmt::format("<{}>: {} rejected: undeliverable address: {}",
                               address, kind, why));
}

}  // namespace postern::access
