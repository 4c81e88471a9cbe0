// Servers outside of the suite that a row's configuration names: Dovecot's
// auth socket, policy services, milters, the proxy filter. Processes that
// speak with strangers do not connect by themselves: master connects them to
// sockets with a path, lookup to hosts, and both to what is found here alone.
// Next: common/service/service.h (dial).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config.h"

namespace postern::config {

struct Endpoint {
  enum class Kind { path, host };
  Kind kind = Kind::path;
  std::string path;  // absolute
  std::string host;  // a name, or an address without brackets
  std::string port;  // a number or a service's name

  // One spelling for each: "unix:/path", "inet:[host]:port".
  std::string text() const;
  bool operator==(const Endpoint&) const = default;
};

// What a word without "type:" before it is.
enum class Bare { path, host, nothing };

// "unix:PATH", "local:PATH", "inet:HOST:PORT", "inet:[ADDRESS]:PORT",
// "inet:PORT@HOST", "inet:PORT" (this machine), or a bare word. Relative paths
// are below `base`, the queue directory. nullopt: none of these.
std::optional<Endpoint> parse_endpoint(std::string_view text,
                                       const std::string& base, Bare bare);

// All that `program` ("smtpd") may be connected to with the configuration of
// its row.
std::vector<Endpoint> granted_endpoints(const Config& row,
                                        std::string_view program);

bool is_granted(const std::vector<Endpoint>& granted, const Endpoint& asked);

}  // namespace postern::config
