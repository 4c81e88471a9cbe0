// Rows whose program does not deliver here: mail for them waits.
#pragma once

#include "common/log/log.h"
#include "local/delivery.h"
#include "local/outcome.h"
#include "local/settings.h"

namespace postern::local {

class UnavailableDelivery : public Delivery {
 public:
  UnavailableDelivery(const Settings& settings, const log::Log& log)
      : settings_(settings), log_(log) {}

  Task<ipc::DeliverResult> deliver(const Job* job,
                                   std::size_t recipient) override {
    const ipc::DeliverRecipient& who = job->request.recipients[recipient];
    Outcome outcome(settings_, log_, job->request, who, job->started);
    outcome.failed(who.address, try_later("3.0", "mail transport unavailable"));
    co_return outcome.result();
  }

 private:
  const Settings& settings_;
  const log::Log& log_;
};

}  // namespace postern::local
