// DNS records in presentation form, as ipc::DnsAnswer has them.
#pragma once

#include <string>

namespace postern::access {

// "10 mx.test." -> "mx.test"; a bare name loses its last dot, so that the root
// is "".
inline std::string host_in(std::string record) {
  const std::size_t space = record.find(' ');
  if (space != std::string::npos) record.erase(0, space + 1);
  if (record.ends_with('.')) record.pop_back();
  return record;
}

}  // namespace postern::access
