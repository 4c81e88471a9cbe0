// How a row's program delivers to one recipient. local(8): local_delivery.h;
// virtual(8): virtual_delivery.h.
#pragma once

#include "common/ipc/messages/deliver.h"
#include "common/loop/task.h"
#include "local/delivered_to.h"

namespace postern::local {

// A request at work; outlives the deliveries to its recipients.
struct Job {
  ipc::DeliverRequest request;
  DeliveredTo delivered_to;
  std::int64_t started = 0;  // microseconds since 1970
};

class Delivery {
 public:
  virtual ~Delivery() = default;
  // One result, after everything about it was logged.
  virtual Task<ipc::DeliverResult> deliver(const Job* job,
                                           std::size_t recipient) = 0;
};

}  // namespace postern::local
