#include "master/endpoints.h"

#include <netdb.h>

#include "common/base/text.h"
#include "common/config/own_networks.h"

namespace postern::master {
namespace {

std::string text_of(const std::string& address, int port) {
  const std::string number = std::to_string(port);
  return address.find(':') == std::string::npos
             ? address + ":" + number
             : "[" + address + "]:" + number;
}

void add(std::vector<Endpoint>& endpoints, const std::string& address,
         int port) {
  const Result<SocketAddress> made = SocketAddress::ip(address, port);
  if (!made) return;
  const std::string text = text_of(address, port);
  for (const Endpoint& each : endpoints)
    if (each.text == text) return;
  endpoints.push_back({*made, text});
}

// "smtps=submissions=465": names, then their number.
std::optional<int> known_port(const std::string& name,
                              std::string_view known_tcp_ports) {
  for (const std::string& entry : split_words(known_tcp_ports, ",")) {
    const std::vector<std::string> parts = split(entry, '=');
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
      if (trim(parts[i]) == name) {
        const auto number = parse_number(trim(parts.back()));
        if (number) return static_cast<int>(*number);
      }
  }
  return std::nullopt;
}

Result<std::vector<Endpoint>> of_host(const std::string& host, int port,
                                      const Protocols& protocols) {
  addrinfo hints{};
  hints.ai_family = !protocols.ipv6   ? AF_INET
                    : !protocols.ipv4 ? AF_INET6
                                      : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0)
    return give_up("3.5", "bad hostname or network address: " + host + ": " +
                              ::gai_strerror(error));
  std::vector<Endpoint> endpoints;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text,
                      nullptr, 0, NI_NUMERICHOST) == 0)
      add(endpoints, text, port);
  }
  ::freeaddrinfo(found);
  return endpoints;
}

}  // namespace

Protocols protocols_of(std::string_view inet_protocols) {
  Protocols protocols{false, false};
  for (const std::string& word : split_words(inet_protocols)) {
    const std::string name = to_lower(word);
    if (name == "all" || name == "ipv4") protocols.ipv4 = true;
    if (name == "all" || name == "ipv6") protocols.ipv6 = true;
  }
  return protocols;
}

Result<int> port_of(const std::string& port,
                    std::string_view known_tcp_ports) {
  if (const auto number = parse_number(port)) {
    if (*number >= 1 && *number <= 65535) return static_cast<int>(*number);
    return give_up("3.5", "bad port number: " + port);
  }
  if (const auto known = known_port(port, known_tcp_ports)) return *known;
  servent entry;
  servent* found = nullptr;
  char buffer[1024];
  if (::getservbyname_r(port.c_str(), "tcp", &entry, buffer, sizeof buffer,
                        &found) == 0 &&
      found != nullptr)
    return static_cast<int>(ntohs(static_cast<std::uint16_t>(found->s_port)));
  return give_up("3.5", "unknown service: " + port + "/tcp");
}

Result<std::vector<Endpoint>> endpoints_of(const config::ServiceRow& row,
                                           const config::Config& config) {
  const Result<int> port =
      port_of(row.port, config.get<"known_tcp_ports">());
  if (!port) return port.trouble();
  const std::string chosen_protocols = config.get<"inet_protocols">();
  const Protocols protocols = protocols_of(chosen_protocols);
  if (!row.host.empty()) return of_host(row.host, *port, protocols);

  const std::string interfaces = config.get<"inet_interfaces">();
  std::vector<Endpoint> endpoints;
  if (trim(interfaces) == "all") {
    if (protocols.ipv4) add(endpoints, "0.0.0.0", *port);
    if (protocols.ipv6) add(endpoints, "::", *port);
    return endpoints;
  }
  for (const config::InterfaceAddress& each : config::chosen_addresses(
           config::interface_addresses(), interfaces, chosen_protocols))
    add(endpoints, each.text(), *port);
  if (endpoints.empty())
    return give_up("3.5", "inet_interfaces: no local address among \"" +
                              interfaces + "\"");
  return endpoints;
}

}  // namespace postern::master
