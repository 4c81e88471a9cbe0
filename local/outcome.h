// What became of one recipient of a request: each of its deliveries is logged
// as it ends, and together they are the result that qmgr is told.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/ipc/messages/deliver.h"
#include "common/log/log.h"
#include "local/settings.h"

namespace postern::local {

class Outcome {
 public:
  // All must outlive this object. `started`: microseconds since 1970.
  Outcome(const Settings& settings, const log::Log& log,
          const ipc::DeliverRequest& request,
          const ipc::DeliverRecipient& recipient, std::int64_t started);

  // One delivery to `address` has ended. `action` is what NOTIFY=SUCCESS calls
  // it: "delivered", "relayed", "expanded".
  void sent(const std::string& address, const std::string& text,
            const std::string& action);
  void failed(const std::string& address, const Trouble& trouble);
  // Another agent has delivered, and logged so.
  void adopt(const ipc::DeliverResult& result);

  // Deferred when any delivery was, else bounced when any was, else sent.
  ipc::DeliverResult result() const { return result_; }
  bool any_failed() const { return failed_; }

  // The recipient before rewriting, as for X-Original-To.
  const std::string& original() const { return original_; }

 private:
  void log_line(const std::string& address, const std::string& status,
                const char* word, const std::string& text) const;
  void settle(ipc::Outcome outcome, const std::string& status,
              const std::string& text);

  const Settings& settings_;
  const log::Log& log_;
  const ipc::DeliverRequest& request_;
  std::int64_t started_;
  std::string original_;
  bool wants_success_ = false;
  bool any_ = false;
  bool failed_ = false;
  ipc::DeliverResult result_;
};

}  // namespace postern::local
