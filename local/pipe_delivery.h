// pipe(8): the message goes to the program that the row names, for all
// recipients of the request together.
// Next: pipe_macros.h (its command line), workers.h.
#pragma once

#include <string>
#include <vector>

#include "common/config/command_row.h"
#include "common/log/log.h"
#include "common/service/service.h"
#include "local/delivery.h"
#include "local/outcome.h"
#include "local/pipe_macros.h"
#include "local/settings.h"
#include "local/status_filter.h"
#include "local/workers.h"

namespace postern::local {

class PipeDelivery : public Delivery {
 public:
  // Reads the row; what is wrong with it is logged, and mail for it waits. All
  // must outlive this object.
  PipeDelivery(const Service& service, const Settings& settings,
               Workers& workers, StatusFilter& filter);

  Task<std::vector<ipc::DeliverResult>> deliver_all(const Job* job) override;
  Task<ipc::DeliverResult> deliver(const Job* job,
                                   std::size_t recipient) override;

 private:
  Status read_row(const Service& service);
  // For the request as a whole.
  Task<Status> run(const Job* job, std::string* output, std::string* said);
  Status check(const Job& job) const;
  Result<ipc::RunRequest> request_of(const ipc::DeliverRequest& request) const;
  std::string headers_of(const ipc::DeliverRequest& request) const;

  const Settings& settings_;
  const log::Log& log_;
  Workers& workers_;
  StatusFilter& filter_;
  config::CommandRow row_;
  PipeRules rules_;
  std::vector<PipeArgument> arguments_;
  std::string fault_;  // "": the row can be used
};

}  // namespace postern::local
