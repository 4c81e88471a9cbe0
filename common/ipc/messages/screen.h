// Questions of the screen in front of smtpd to lookup, which keeps the
// temporary allow list and asks DNS lists.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ipc/wire.h"

namespace postern::ipc {

// What is remembered of a client's address.
struct ScreenAnswer {
  std::string line;  // common/access/screen_record.h; "": nothing
  TroubleWire trouble;
  static constexpr auto wire() {
    return message("screen.answer", field("line", &ScreenAnswer::line),
                   field("trouble", &ScreenAnswer::trouble));
  }
};
struct ScreenFind {
  using Answer = ScreenAnswer;
  static constexpr bool repeatable = true;
  std::string address;
  static constexpr auto wire() {
    return message("screen.find", field("address", &ScreenFind::address));
  }
};

// Remembers a line for an address; the answer has it.
struct ScreenKeep {
  using Answer = ScreenAnswer;
  static constexpr bool repeatable = true;
  std::string address;
  std::string line;
  static constexpr auto wire() {
    return message("screen.keep", field("address", &ScreenKeep::address),
                   field("line", &ScreenKeep::line));
  }
};

// What a DNS list says of a name of its zone, and for how long that holds.
struct DnsListAnswer {
  std::string status;  // as in DnsAnswer
  std::vector<std::string> records;  // addresses
  std::int64_t ttl = -1;  // seconds; -1: not known
  std::string text;       // why there is no answer
  static constexpr auto wire() {
    return message("dns_list.answer", field("status", &DnsListAnswer::status),
                   field("records", &DnsListAnswer::records),
                   field("ttl", &DnsListAnswer::ttl),
                   field("text", &DnsListAnswer::text));
  }
};
struct DnsListFind {
  using Answer = DnsListAnswer;
  static constexpr bool repeatable = true;
  std::string name;  // "2.0.0.127.zen.example.org"
  static constexpr auto wire() {
    return message("dns_list.find", field("name", &DnsListFind::name));
  }
};

}  // namespace postern::ipc
