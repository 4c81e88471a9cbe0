#include "common/dns/names.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>

namespace postern::dns {
namespace {

std::string_view reason(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "Success";
    case Outcome::nxdomain:
      return "Host not found";
    case Outcome::nodata:
      return "Host found but no data record of requested type";
    case Outcome::servfail:
    case Outcome::timeout:
      return "Host not found, try again";
    case Outcome::malformed:
      return "Malformed or unexpected name server reply";
    case Outcome::bad_name:
      return "invalid host or domain name";
  }
  return "";
}

}  // namespace

std::optional<std::string> reverse_name(std::string_view address) {
  const std::string copy(address);
  std::array<unsigned char, 16> bytes{};
  std::string name;
  if (::inet_pton(AF_INET, copy.c_str(), bytes.data()) == 1) {
    for (int i = 3; i >= 0; --i)
      name += fmt::format("{}.", bytes[static_cast<std::size_t>(i)]);
    return name + "in-addr.arpa";
  }
  if (::inet_pton(AF_INET6, copy.c_str(), bytes.data()) != 1)
    return std::nullopt;
  for (int i = 15; i >= 0; --i) {
    const unsigned byte = bytes[static_cast<std::size_t>(i)];
    name += fmt::format("{:x}.{:x}.", byte & 15u, byte >> 4);
  }
  return name + "ip6.arpa";
}

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::nxdomain:
    case Outcome::bad_name:
      return "nxdomain";
    case Outcome::nodata:
      return "nodata";
    case Outcome::timeout:
      return "timeout";
    case Outcome::servfail:
    case Outcome::malformed:
      return "servfail";
  }
  return "servfail";
}

std::string why(std::string_view name, Type type, Outcome outcome) {
  if (outcome == Outcome::bad_name)
    return fmt::format("Name service error for {}: {}", name, reason(outcome));
  if (outcome == Outcome::malformed)
    return fmt::format("Name service error for name={} type={}: {}", name,
                       name_of(type), reason(outcome));
  return fmt::format(
      "Host or domain name not found. Name service error for name={} type={}: "
      "{}",
      name, name_of(type), reason(outcome));
}

Trouble trouble(std::string_view name, Type type, Outcome outcome) {
  switch (outcome) {
    case Outcome::nxdomain:
    case Outcome::nodata:
    case Outcome::bad_name:
      return give_up("4.4", why(name, type, outcome));
    case Outcome::malformed:
      return give_up("4.3", why(name, type, outcome));
    default:
      return try_later("4.3", why(name, type, outcome));
  }
}

}  // namespace postern::dns
