// Certificates, signatures and session keys: what smtpd and smtp ask of
// authd, which alone holds private keys. authd knows the asker's row from
// master, and with it which files are the asker's; a question names none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ipc/wire.h"
#include "common/os/fd.h"

namespace postern::ipc {

// A certificate with what leads to its authority, and its key by name.
struct ChainWire {
  std::string key;                        // for SignRequest
  std::vector<std::string> certificates;  // DER, the own one first
  static constexpr auto wire() {
    return message("keys.chain", field("key", &ChainWire::key),
                   field("certificates", &ChainWire::certificates));
  }
};

struct IdentityAnswer {
  std::string version;  // changes when the files do
  bool unchanged = false;   // `known` is still right: no chains follow
  bool found = true;        // false: no certificate for that name
  std::vector<ChainWire> chains;  // one per algorithm
  TroubleWire trouble;
  static constexpr auto wire() {
    return message("keys.identity.answer",
                   field("version", &IdentityAnswer::version),
                   field("unchanged", &IdentityAnswer::unchanged),
                   field("found", &IdentityAnswer::found),
                   field("chains", &IdentityAnswer::chains),
                   field("trouble", &IdentityAnswer::trouble));
  }
};

// The certificates of the asker's row. `server_name`: the one that a client
// asked for (tls_server_sni_maps), in lower case; empty: the row's own.
struct IdentityFind {
  using Answer = IdentityAnswer;
  static constexpr bool repeatable = true;
  std::string server_name;
  std::string known;  // version that the asker has
  static constexpr auto wire() {
    return message("keys.identity.find",
                   field("server_name", &IdentityFind::server_name),
                   field("known", &IdentityFind::known));
  }
};

struct SignAnswer {
  std::string signature;
  TroubleWire trouble;
  static constexpr auto wire() {
    return message("keys.sign.answer", field("signature", &SignAnswer::signature),
                   field("trouble", &SignAnswer::trouble));
  }
};

// A signature of a TLS handshake. `data` is what is signed, not its digest, so
// that authd sees what it signs and refuses what is no handshake.
struct SignRequest {
  using Answer = SignAnswer;
  static constexpr bool repeatable = true;
  std::string key;
  std::string digest;  // "SHA256"; empty for Ed25519
  bool pss = false;    // RSA only: PSS instead of PKCS #1
  std::string data;
  static constexpr auto wire() {
    return message("keys.sign", field("key", &SignRequest::key),
                   field("digest", &SignRequest::digest),
                   field("pss", &SignRequest::pss),
                   field("data", &SignRequest::data));
  }
};

// What session tickets are sealed with (RFC 5077 section 4). All server
// processes have the same keys, so that each resumes the others' sessions.
struct TicketKeyWire {
  std::string name;    // 16 bytes
  std::string cipher;  // 32 bytes
  std::string mac;     // 32 bytes
  static constexpr auto wire() {
    return message("keys.ticket", field("name", &TicketKeyWire::name),
                   field("cipher", &TicketKeyWire::cipher),
                   field("mac", &TicketKeyWire::mac));
  }
};

struct TicketKeysAnswer {
  // The first seals; all of them open.
  std::vector<TicketKeyWire> keys;
  std::int64_t lasting_seconds = 0;  // then ask again
  static constexpr auto wire() {
    return message("keys.tickets.answer",
                   field("keys", &TicketKeysAnswer::keys),
                   field("lasting_seconds",
                         &TicketKeysAnswer::lasting_seconds));
  }
};
struct TicketKeysFind {
  using Answer = TicketKeysAnswer;
  static constexpr bool repeatable = true;
  std::int64_t lifetime_seconds = 0;  // how long a session may be resumed
  static constexpr auto wire() {
    return message("keys.tickets.find",
                   field("lifetime_seconds",
                         &TicketKeysFind::lifetime_seconds));
  }
};

// Sessions of clients that do not take tickets, by session id.
struct SessionAnswer {
  std::string session;  // empty: none
  static constexpr auto wire() {
    return message("keys.session.answer",
                   field("session", &SessionAnswer::session));
  }
};
struct SessionFind {
  using Answer = SessionAnswer;
  static constexpr bool repeatable = true;
  std::string id;
  static constexpr auto wire() {
    return message("keys.session.find", field("id", &SessionFind::id));
  }
};
struct SessionKeep {
  std::string id;
  std::string session;
  std::int64_t lifetime_seconds = 0;
  static constexpr auto wire() {
    return message("keys.session.keep", field("id", &SessionKeep::id),
                   field("session", &SessionKeep::session),
                   field("lifetime_seconds", &SessionKeep::lifetime_seconds));
  }
};

// authd to master: open a file that main.conf or a row names as certificate,
// key or table of them, and that only root may read. master opens no other.
struct SecretFileAnswer {
  Fd file;
  TroubleWire trouble;
  static constexpr auto wire() {
    return message("keys.file.answer", field("file", &SecretFileAnswer::file),
                   field("trouble", &SecretFileAnswer::trouble));
  }
};
struct SecretFileRequest {
  using Answer = SecretFileAnswer;
  std::string path;
  static constexpr auto wire() {
    return message("keys.file", field("path", &SecretFileRequest::path));
  }
};

}  // namespace postern::ipc
