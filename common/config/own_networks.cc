#include "common/config/own_networks.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>

#include "common/base/text.h"

namespace postern::config {
namespace {

std::optional<InterfaceAddress> address_of(const sockaddr* from) {
  InterfaceAddress address;
  if (!from) return std::nullopt;
  address.family = from->sa_family;
  if (from->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, from, sizeof in);
    std::memcpy(address.bytes.data(), &in.sin_addr, 4);
  } else if (from->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, from, sizeof in);
    std::memcpy(address.bytes.data(), &in.sin6_addr, 16);
  } else {
    return std::nullopt;
  }
  address.prefix = address.bits();
  address.loopback = address.family == AF_INET
                         ? address.bytes[0] == 127
                         : address.text() == "::1";
  return address;
}

int ones(const InterfaceAddress& mask) {
  int count = 0;
  for (std::uint8_t byte : mask.bytes) count += std::popcount(byte);
  return count;
}

void add(std::vector<InterfaceAddress>& list, const InterfaceAddress& fresh) {
  for (const InterfaceAddress& old : list)
    if (old.same_address(fresh)) return;
  list.push_back(fresh);
}

void add_host(std::vector<InterfaceAddress>& list, std::string host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return;
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found,
                                                           &freeaddrinfo);
  for (const addrinfo* one = found; one; one = one->ai_next)
    if (auto address = address_of(one->ai_addr)) add(list, *address);
}

bool speaks(std::string_view protocols, int family) {
  for (const std::string& word : split_words(protocols)) {
    if (equal_nocase(word, "all")) return true;
    if (equal_nocase(word, family == AF_INET ? "ipv4" : "ipv6")) return true;
  }
  return false;
}

// The network part of the historical classes A to D.
int class_prefix(const InterfaceAddress& address) {
  if (address.family != AF_INET) return address.prefix;
  if (address.bytes[0] < 128) return 8;
  if (address.bytes[0] < 192) return 16;
  return address.bytes[0] < 224 ? 24 : 4;
}

int prefix_for(const InterfaceAddress& address, std::string_view style) {
  if (equal_nocase(style, "class")) return class_prefix(address);
  if (equal_nocase(style, "subnet")) return address.prefix;
  return address.bits();
}

std::string network_text(InterfaceAddress address, int prefix) {
  int size = address.bits() / 8;
  for (int i = 0; i < size; ++i) {
    int kept = std::clamp(prefix - 8 * i, 0, 8);
    auto mask = static_cast<std::uint8_t>(0xff << (8 - kept));
    address.bytes[static_cast<std::size_t>(i)] &= mask;
  }
  std::string text = address.text();
  if (address.family == AF_INET6) text = "[" + text + "]";
  return text + "/" + std::to_string(prefix);
}

}  // namespace

std::string InterfaceAddress::text() const {
  char buffer[INET6_ADDRSTRLEN];
  return inet_ntop(family, bytes.data(), buffer, sizeof buffer) ? buffer : "";
}

std::vector<InterfaceAddress> interface_addresses() {
  std::vector<InterfaceAddress> list;
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) != 0) return list;
  std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owned(found, &freeifaddrs);
  for (const ifaddrs* one = found; one; one = one->ifa_next) {
    auto address = address_of(one->ifa_addr);
    if (!address || !(one->ifa_flags & IFF_UP)) continue;
    if (auto mask = address_of(one->ifa_netmask)) address->prefix = ones(*mask);
    add(list, *address);
  }
  std::stable_sort(list.begin(), list.end(), [](auto& a, auto& b) {
    return a.family == AF_INET && b.family == AF_INET6;
  });
  return list;
}

std::vector<InterfaceAddress> chosen_addresses(
    const std::vector<InterfaceAddress>& all, std::string_view inet_interfaces,
    std::string_view inet_protocols) {
  std::vector<InterfaceAddress> named, chosen;
  for (const std::string& word : split_words(inet_interfaces)) {
    bool everything = equal_nocase(word, "all");
    if (everything || equal_nocase(word, "loopback-only")) {
      for (const InterfaceAddress& one : all)
        if (everything || one.loopback) add(named, one);
    } else {
      add_host(named, word);
    }
  }
  for (InterfaceAddress& one : named) {
    for (const InterfaceAddress& known : all)
      if (known.same_address(one)) one.prefix = known.prefix;
    if (speaks(inet_protocols, one.family)) chosen.push_back(one);
  }
  return chosen;
}

std::string networks_of(const std::vector<InterfaceAddress>& addresses,
                        std::string_view style) {
  std::vector<std::string> networks;
  for (const InterfaceAddress& one : addresses) {
    std::string network = network_text(one, prefix_for(one, style));
    if (std::find(networks.begin(), networks.end(), network) == networks.end())
      networks.push_back(std::move(network));
  }
  return join(networks, " ");
}

}  // namespace postern::config
