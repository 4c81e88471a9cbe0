// TLS sessions that smtp may resume: lookup keeps them where the asker's row
// says (smtp_tls_session_cache_database), for as long as it says. A question
// names no file, and a row knows its own sessions alone.
#pragma once

#include <string>

#include "common/ipc/wire.h"

namespace postern::ipc {

struct TlsSessionAnswer {
  std::string session;  // empty: none
  static constexpr auto wire() {
    return message("tls_session.answer",
                   field("session", &TlsSessionAnswer::session));
  }
};

// `key`: the server and all that a session with it was held to.
struct TlsSessionFind {
  using Answer = TlsSessionAnswer;
  static constexpr bool repeatable = true;
  std::string key;
  static constexpr auto wire() {
    return message("tls_session.find", field("key", &TlsSessionFind::key));
  }
};

// A notice. An empty session: the one that is kept is of no more use.
struct TlsSessionKeep {
  std::string key;
  std::string session;
  static constexpr auto wire() {
    return message("tls_session.keep", field("key", &TlsSessionKeep::key),
                   field("session", &TlsSessionKeep::session));
  }
};

}  // namespace postern::ipc
