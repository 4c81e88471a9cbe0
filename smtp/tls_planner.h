// Finds out what the session with a server is held to: asks the policy tables
// and, for DANE, the TLSA records; tls_policy.h decides.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/loop/task.h"
#include "smtp/surroundings.h"
#include "smtp/tls_policy.h"

namespace postern::smtp {

// `site` is the next hop as it stands in the request, `target` one of its
// servers. Trouble: no session may be had with it; warnings are logged.
// Borrows `around`.
Task<Result<TlsPolicy>> plan_tls(const Surroundings* around, std::string site,
                                 Target target);

}  // namespace postern::smtp
