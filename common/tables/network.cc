#include "common/tables/network.h"

#include <arpa/inet.h>

#include <cstring>

#include "common/base/text.h"

namespace postern::tables {

std::string Address::text() const {
  char buffer[INET6_ADDRSTRLEN];
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), buffer, sizeof buffer);
  return buffer;
}

std::optional<Address> parse_address(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN ||
      text.find('\0') != std::string_view::npos)
    return std::nullopt;
  Address address;
  address.v6 = text.find(':') != std::string_view::npos;
  if (inet_pton(address.v6 ? AF_INET6 : AF_INET, std::string(text).c_str(),
                address.bytes.data()) != 1)
    return std::nullopt;
  return address;
}

bool Network::contains(const Address& other) const {
  if (other.v6 != address.v6) return false;
  const unsigned whole = prefix / 8;
  if (std::memcmp(address.bytes.data(), other.bytes.data(), whole) != 0)
    return false;
  if (prefix % 8 == 0) return true;
  const int mask = 0xff00 >> (prefix % 8) & 0xff;
  return (address.bytes[whole] & mask) == (other.bytes[whole] & mask);
}

namespace {

Trouble bad(std::string text) { return give_up("3.5", std::move(text)); }

Address masked(Address address, unsigned prefix) {
  for (unsigned bit = prefix; bit < address.bits(); ++bit)
    address.bytes[bit / 8] = static_cast<std::uint8_t>(address.bytes[bit / 8] &
                                                       ~(0x80 >> (bit % 8)));
  return address;
}

}  // namespace

Result<Network> parse_network(std::string_view text) {
  const std::string shown = "\"" + printable(text) + "\"";
  std::string_view address_text = text;
  std::string_view rest;
  const bool bracketed = !text.empty() && text.front() == '[';
  if (bracketed) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos)
      return bad("missing ']' character after " + shown);
    rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != '/')
      return bad("garbage after \"]\": " + shown);
    address_text = text.substr(1, close - 1);
  } else if (const std::size_t slash = text.find('/');
             slash != std::string_view::npos) {
    rest = text.substr(slash);
    address_text = text.substr(0, slash);
  }
  const auto address = parse_address(address_text);
  if (rest.empty()) {
    if (!address) return bad("bad address pattern: " + shown);
    return Network{*address, address->bits()};
  }
  const auto prefix = parse_number(rest.substr(1));
  if (!prefix || *prefix < 0 || !is_digit(rest[1]))
    return bad("bad mask value in " + shown);
  if (!address) return bad("bad network value in " + shown);
  if (*prefix > address->bits()) return bad("bad mask length in " + shown);
  const auto bits = static_cast<unsigned>(*prefix);
  const Address network = masked(*address, bits);
  if (network != *address) {
    const std::string fixed =
        bracketed ? "[" + network.text() + "]" : network.text();
    return bad("non-null host address bits in " + shown +
               ", perhaps you should use \"" + fixed + "/" +
               std::to_string(bits) + "\" instead");
  }
  return Network{network, bits};
}

}  // namespace postern::tables
