// Servers by service (RFC 2782): for the services of use_srv_lookup the name
// servers say which hosts offer "submission" of a domain, and on which ports.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/loop/task.h"
#include "smtp/route.h"
#include "smtp/settings.h"

namespace postern::smtp {

struct ServiceRecord {
  std::int64_t priority = 0;
  std::int64_t weight = 0;
  int port = 0;
  std::string host;  // without the last dot; "": the service is not offered
};

// "10 60 587 mail.example.com.", as lookup gives SRV records.
std::optional<ServiceRecord> parse_service(std::string_view text);

// Lowest priority first, and by lot within one, where a weight is so many
// tickets (RFC 2782, "Usage rules").
std::vector<ServiceRecord> in_order(std::vector<ServiceRecord> records,
                                    const Dice& dice);

// Is this destination to be found by its service?
bool by_service(const NextHop& hop, const Settings& settings);

// `fall_back` becomes true where the domain is to be looked up as if services
// were none of our business (allow_srv_lookup_fallback,
// ignore_srv_lookup_error); the Trouble then does not count.
Task<Result<Routes>> find_service(NextHop hop, const Settings& settings,
                                  Resolver& resolver, bool* fall_back);

}  // namespace postern::smtp
