// virtual(8): mailboxes of users that exist in tables only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/log/log.h"
#include "common/route/lookup_client.h"
#include "local/delivery.h"
#include "local/outcome.h"
#include "local/settings.h"
#include "local/status_filter.h"
#include "local/workers.h"

namespace postern::local {

// An id from virtual_uid_maps or virtual_gid_maps: a decimal number from
// `least` on; nullopt: it is none.
std::optional<std::int64_t> parse_id(const std::string& text,
                                     std::int64_t least);

class VirtualDelivery : public Delivery {
 public:
  // All must outlive this object.
  VirtualDelivery(const Settings& settings, const log::Log& log,
                  route::LookupClient& lookup, Workers& workers,
                  StatusFilter& filter)
      : settings_(settings),
        log_(log),
        lookup_(lookup),
        workers_(workers),
        filter_(filter) {}

  Task<ipc::DeliverResult> deliver(const Job* job,
                                   std::size_t recipient) override;

 private:
  struct Mailbox {
    std::string path;
    std::int64_t uid = 0;
    std::int64_t gid = 0;
  };
  Task<Result<Mailbox>> find(std::string address);
  Task<Result<std::optional<std::string>>> look_up(std::string maps,
                                                   std::string address);
  Task<Result<std::int64_t>> find_id(std::string kind, std::string maps,
                                     std::int64_t least, std::string address);
  Task<> store(const Job* job, const Mailbox* mailbox, std::string address,
               Outcome* outcome);

  const Settings& settings_;
  const log::Log& log_;
  route::LookupClient& lookup_;
  Workers& workers_;
  StatusFilter& filter_;
};

}  // namespace postern::local
