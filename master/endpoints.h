// Which addresses an inet row of master.conf means (master(5), "Service
// name"): the host of the row, or those of inet_interfaces, over the protocols
// of inet_protocols.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/config/master_table.h"
#include "common/loop/connect.h"

namespace postern::master {

struct Endpoint {
  SocketAddress address;
  std::string text;  // "0.0.0.0:25", "[::1]:25"
};

struct Protocols {
  bool ipv4 = true;
  bool ipv6 = true;
};
Protocols protocols_of(std::string_view inet_protocols);

// A number from 1 to 65535, a name of known_tcp_ports ("lmtp=24, smtp=25,
// smtps=submissions=465"), or one of services(5).
Result<int> port_of(const std::string& port, std::string_view known_tcp_ports);

// Trouble (permanent, 3.5) says what cannot be made sense of.
Result<std::vector<Endpoint>> endpoints_of(const config::ServiceRow& row,
                                           const config::Config& config);

}  // namespace postern::master
