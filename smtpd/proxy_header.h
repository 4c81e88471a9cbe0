// The header of the PROXY protocol, versions 1 and 2 (haproxy,
// proxy-protocol.txt): who the client of a proxy before us is. Pure.
// Next: proxy_reader.h, which takes it off a connection.
#pragma once

#include <string>
#include <string_view>

namespace postern::smtpd {

// Longer headers are refused; what is behind the addresses (TLVs) is skipped.
inline constexpr std::size_t longest_proxy_header = 4096;

struct ProxyHeader {
  enum class State {
    more,  // all bytes so far belong to a header, which is not complete
    bad,   // this is none, or one that is not for us
    done,
  };
  State state = State::more;
  std::size_t size = 0;  // done: of the header, in bytes
  // UNKNOWN or LOCAL: the proxy speaks for itself; there are no addresses.
  bool local = false;
  std::string client_address, client_port, server_address, server_port;
  std::string problem;  // bad: "short protocol header"
};

ProxyHeader parse_proxy_header(std::string_view bytes);

}  // namespace postern::smtpd
