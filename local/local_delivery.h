// local(8): aliases, then mailboxes of the users of this system.
// Next: expand.h (who), workers.h (mailboxes), command.h, pass.h (other
// agents), forward.h (new messages).
#pragma once

#include <string>
#include <vector>

#include "common/log/log.h"
#include "local/biff.h"
#include "local/delivery.h"
#include "local/directory.h"
#include "local/expand.h"
#include "local/forward.h"
#include "local/outcome.h"
#include "local/pass.h"
#include "local/settings.h"
#include "local/status_filter.h"
#include "local/workers.h"

namespace postern::local {

class LocalDelivery : public Delivery {
 public:
  // All must outlive this object.
  LocalDelivery(const Settings& settings, const log::Log& log,
                Directory& directory, Workers& workers, Forwarder& forwarder,
                Passer& passer, StatusFilter& filter)
      : settings_(settings),
        log_(log),
        directory_(directory),
        workers_(workers),
        forwarder_(forwarder),
        passer_(passer),
        filter_(filter) {}

  Task<ipc::DeliverResult> deliver(const Job* job,
                                   std::size_t recipient) override;

 private:
  Task<> carry_out(const Job* job, std::size_t recipient, const Step* step,
                   Outcome* outcome);
  Task<> store(const Job* job, const Step* step, Outcome* outcome);
  Task<> store_file(const Job* job, const Step* step, Outcome* outcome);
  Task<> command(const Job* job, const Step* step, Outcome* outcome);
  Task<> forward(const Job* job, std::size_t recipient, NewMessage message,
                 Outcome* outcome);
  void announce(const Plan& plan, Outcome& outcome) const;

  const Settings& settings_;
  const log::Log& log_;
  Directory& directory_;
  Workers& workers_;
  Forwarder& forwarder_;
  Passer& passer_;
  StatusFilter& filter_;
  Biff biff_;
};

// The new messages of a plan: one per sender and Delivered-To address.
std::vector<NewMessage> new_messages(const Plan& plan,
                                     const std::string& sender);

}  // namespace postern::local
