// IP addresses and networks as they stand in tables and lists: "10.0.0.0/8",
// "[::1]/128", "2001:db8::1".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postern::tables {

struct Address {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // 4 used for IPv4

  unsigned bits() const { return v6 ? 128 : 32; }
  std::string text() const;
  friend bool operator==(const Address&, const Address&) = default;
};

// Without brackets.
std::optional<Address> parse_address(std::string_view text);

struct Network {
  Address address;
  unsigned prefix = 0;

  bool contains(const Address& other) const;
};

// Address or address/prefix, brackets allowed around the address. Trouble says
// what is wrong, and for host bits that are not zero, what to write instead.
Result<Network> parse_network(std::string_view text);

}  // namespace postern::tables
