// What the network interfaces of this machine make of inet_interfaces and
// mynetworks_style (postconf(5)).
#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::config {

// Address bytes in network order: 4 of AF_INET, 16 of AF_INET6.
struct InterfaceAddress {
  int family = AF_INET;
  std::array<std::uint8_t, 16> bytes{};
  int prefix = 32;  // length of the network part
  bool loopback = false;

  int bits() const { return family == AF_INET ? 32 : 128; }
  // "192.0.2.1", "2001:db8::1".
  std::string text() const;
  bool same_address(const InterfaceAddress& other) const {
    return family == other.family && bytes == other.bytes;
  }
};

// Of all interfaces, IPv4 before IPv6, without doubles.
std::vector<InterfaceAddress> interface_addresses();

// The part of `all` that inet_interfaces (expanded) and inet_protocols choose:
// all, loopback-only, or a list of addresses and host names. Names are looked
// up; one without address is left out.
std::vector<InterfaceAddress> chosen_addresses(
    const std::vector<InterfaceAddress>& all, std::string_view inet_interfaces,
    std::string_view inet_protocols);

// The initial value of mynetworks, such as "127.0.0.0/8 [::1]/128". `style` is
// host, subnet or class.
std::string networks_of(const std::vector<InterfaceAddress>& addresses,
                        std::string_view style);

}  // namespace postern::config
