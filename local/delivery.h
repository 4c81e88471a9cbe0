// How a row's program delivers. local(8): local_delivery.h; virtual(8):
// virtual_delivery.h; pipe(8): pipe_delivery.h.
#pragma once

#include <utility>
#include <vector>

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
  // All recipients of the request; one after the other, unless a program
  // takes them together.
  virtual Task<std::vector<ipc::DeliverResult>> deliver_all(const Job* job) {
    std::vector<ipc::DeliverResult> results;
    for (std::size_t i = 0; i < job->request.recipients.size(); ++i) {
      ipc::DeliverResult result = co_await deliver(job, i);
      results.push_back(std::move(result));
    }
    co_return std::move(results);
  }
};

}  // namespace postern::local
