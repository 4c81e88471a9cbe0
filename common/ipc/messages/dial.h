// Connections that a process may not make by itself: to a socket with a path,
// asked of master, and to a host, asked of lookup. Both connect to what the
// asker's row of master.conf names and to nothing else
// (common/config/endpoints.h). Service::dial asks the right one.
#pragma once

#include <chrono>
#include <string>

#include "common/ipc/wire.h"
#include "common/os/fd.h"

namespace postern::ipc {

struct DialAnswer {
  Fd socket;            // connected, non-blocking
  TroubleWire trouble;  // the reason alone: "Connection refused"
  static constexpr auto wire() {
    return message("dial.answer", field("socket", &DialAnswer::socket),
                   field("trouble", &DialAnswer::trouble));
  }
};

struct DialPath {
  using Answer = DialAnswer;
  std::string path;  // absolute
  static constexpr auto wire() {
    return message("dial.path", field("path", &DialPath::path));
  }
};

struct DialHost {
  using Answer = DialAnswer;
  std::string host;
  std::string port;  // a number or a service's name
  std::chrono::milliseconds limit{0};  // for all of it
  static constexpr auto wire() {
    return message("dial.host", field("host", &DialHost::host),
                   field("port", &DialHost::port),
                   field("limit", &DialHost::limit));
  }
};

}  // namespace postern::ipc
