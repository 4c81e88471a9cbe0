// Who is at the other end, and who it says it speaks for (XFORWARD).
// Next: facts.h.
#pragma once

#include <memory>
#include <string>

namespace postern::access {

struct Client {
  std::string name = "unknown";          // verified, or "unknown"
  std::string reverse_name = "unknown";  // as the PTR record says
  std::string address = "unknown";       // numeric, or "unknown"
  std::string port = "unknown";
  // The local end of the connection.
  std::string server_address = "unknown";
  std::string server_port = "unknown";
  char name_code = '5';  // '2' verified, '4' try again, '5' no name
  char reverse_code = '5';
  bool log_port = false;  // smtpd_client_port_logging

  // "name[address]" as in log lines.
  std::string shown() const {
    std::string out = name + "[" + address + "]";
    if (log_port) out += ":" + port;
    return out;
  }
};

// What XFORWARD said; empty: not given. XFORWARD_README of Postfix.
struct Forwarded {
  std::string name, address, port, protocol, helo, ident, domain;
};

}  // namespace postern::access
