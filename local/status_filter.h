// local_, virtual_ and pipe_delivery_status_filter: other words, or another
// code, for what became of a delivery (postconf(5)).
#pragma once

#include <string>

#include "common/log/log.h"
#include "common/route/lookup_client.h"
#include "local/outcome.h"
#include "local/settings.h"

namespace postern::local {

class StatusFilter {
 public:
  // All must outlive this object.
  StatusFilter(const Settings& settings, const log::Log& log,
               route::LookupClient& lookup)
      : settings_(settings), log_(log), lookup_(lookup) {}

  // Lets out what the outcome holds back. A table that does not answer, or
  // answers nonsense, changes nothing, and the log says so.
  Task<> release(Outcome* outcome);

 private:
  Task<> edit(Outcome::Ending* ending);

  const Settings& settings_;
  const log::Log& log_;
  route::LookupClient& lookup_;
};

}  // namespace postern::local
