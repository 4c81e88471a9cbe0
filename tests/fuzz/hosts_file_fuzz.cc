// /etc/hosts, /etc/resolv.conf and dns_servers.
#include <cstddef>
#include <cstdint>

#include "common/base/panic.h"
#include "common/dns/system_files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const dns::Hosts hosts = dns::Hosts::parse(text);
  for (const std::string& address :
       hosts.addresses("localhost", dns::Families::both)) {
    require(dns::family_of(address) != 0, "no address");
    require(hosts.name_of(address).has_value(), "an address without name");
  }
  require(!dns::servers_of(text).empty(), "no name server at all");
  static_cast<void>(dns::server_from(text));
  return 0;
}
