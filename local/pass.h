// Hands a recipient on to another delivery agent of the suite
// (mailbox_transport, fallback_transport), which logs and reports for it.
#pragma once

#include <string>
#include <utility>

#include "common/ipc/messages/deliver.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "common/service/service.h"
#include "local/delivery.h"
#include "local/expand.h"
#include "local/outcome.h"
#include "local/settings.h"

namespace postern::local {

class Passer {
 public:
  Passer(Service& service, const Settings& settings)
      : service_(service), settings_(settings) {}

  // What the pointers point to outlives the task.
  Task<> pass(const Job* job, std::size_t recipient, const Step* step,
              Outcome* outcome);

 private:
  const ipc::RowWire* row_of(const std::string& transport) const;
  void tell(const Job* job, std::size_t recipient, const Step* step,
            const std::string& program, const std::string& nexthop,
            Outcome* outcome);

  Service& service_;
  const Settings& settings_;
};

// "name:nexthop" in its parts; without a next hop that of the request.
std::pair<std::string, std::string> split_transport(
    const std::string& transport, const std::string& nexthop);

}  // namespace postern::local
