// Names in the reverse trees, and what failures of the domain name system are
// called in replies and logs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/dns/message.h"

namespace postern::dns {

// "192.0.2.1" -> "1.2.0.192.in-addr.arpa"; IPv6 in ip6.arpa (RFC 3596 section
// 2.5). nullopt when it is no address.
std::optional<std::string> reverse_name(std::string_view address);

enum class Outcome {
  ok,         // at least one record
  nxdomain,   // there is no such name
  nodata,     // the name has no such record
  servfail,   // the name servers could not say
  timeout,    // they did not say in time
  malformed,  // the answer is no DNS data
  bad_name,   // the name cannot be asked for: an empty or long label
};
std::string_view name_of(Outcome outcome);

// "Host or domain name not found. Name service error for name=x.example
// type=MX: Host not found".
std::string why(std::string_view name, Type type, Outcome outcome);

// The same as Trouble: 4.4.3 where asking again may help, 5.4.4 where not,
// 5.4.3 for an answer that is none.
Trouble trouble(std::string_view name, Type type, Outcome outcome);

}  // namespace postern::dns
