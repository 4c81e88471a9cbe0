// Questions to authd about people who log in.
//
// smtpd asks for a stream and speaks the Dovecot auth protocol on it, as a
// client (docs/formats/auth-protocol.md): so it has one client for authd and
// for Dovecot's own server. The stream is a conversation of its own, which
// ends when either side closes it; a process needs one for all its sessions.
#pragma once

#include <string>

#include "common/ipc/wire.h"
#include "common/os/fd.h"

namespace postern::ipc {

struct AuthChannelAnswer {
  Fd stream;            // of AF_UNIX; authd begins with its handshake
  TroubleWire trouble;  // no such back end in this build, or it cannot start
  static constexpr auto wire() {
    return message("auth.channel.answer",
                   field("stream", &AuthChannelAnswer::stream),
                   field("trouble", &AuthChannelAnswer::trouble));
  }
};

struct AuthChannel {
  using Answer = AuthChannelAnswer;
  static constexpr bool repeatable = true;
  std::string backend;  // "postern" or "cyrus": smtpd_sasl_type
  std::string path;     // smtpd_sasl_path: the application's name to Cyrus
  std::string realm;    // smtpd_sasl_local_domain; empty: none
  std::string host;     // myhostname: what challenges name
  static constexpr auto wire() {
    return message("auth.channel", field("backend", &AuthChannel::backend),
                   field("path", &AuthChannel::path),
                   field("realm", &AuthChannel::realm),
                   field("host", &AuthChannel::host));
  }
};

}  // namespace postern::ipc
