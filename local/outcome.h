// What became of one recipient of a request: each of its deliveries is logged
// as it ends, and together they are the result that qmgr is told.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

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
  // `said`: a program's own words.
  void failed(const std::string& address, const Trouble& trouble,
              const std::string& said = "");
  // What follows is done for an alias or a forwarding file: of success its
  // sender hears that it was expanded, or, where it is a list with an owner,
  // that the list has got it.
  void expanded(bool owned);
  // What follows is done for the owner of a list, who hears of failures, and
  // its log lines do not tell whom the message was for at first; or, with "",
  // for the sender again.
  void for_owner(std::string owner) { owner_ = std::move(owner); }

  // A delivery that has ended, before soft_bounce.
  struct Ending {
    std::string address;
    std::string status;  // 2.0.0, 4.2.0, 5.1.1
    std::string text;
    std::string action;     // of a success
    std::string said;       // by a program
    std::string owner;
    std::int64_t when = 0;  // microseconds since 1970
  };
  // With a delivery status filter what has ended waits here until it has been
  // filtered (status_filter.h); publish() logs and counts one.
  std::vector<Ending> take_held() { return std::exchange(held_, {}); }
  void publish(const Ending& ending);
  // What is told already, and needs no filter: all of it as it is.
  void publish_held();

  // Another agent has delivered, and logged so.
  void adopt(const std::string& address, const ipc::DeliverResult& result);

  // Deferred when any delivery was, else bounced when any was, else sent.
  ipc::DeliverResult result() const;
  bool any_failed() const { return failed_; }

  // The recipient before rewriting, as for X-Original-To.
  const std::string& original() const { return original_; }

 private:
  void end(Ending ending);
  void publish_sent(const Ending& ending);
  void publish_failed(const Ending& ending);
  void log_line(const Ending& ending, const std::string& status,
                const char* word) const;
  void settle(ipc::DeliverPart part);

  const Settings& settings_;
  const log::Log& log_;
  const ipc::DeliverRequest& request_;
  std::int64_t started_;
  std::string address_;
  std::string original_;
  std::string owner_;
  bool wants_success_ = false;
  bool expanded_ = false;
  std::vector<ipc::DeliverPart> parts_;
  bool any_ = false;
  bool failed_ = false;
  ipc::DeliverResult result_;
  std::vector<Ending> held_;
};

}  // namespace postern::local
