// The lines of the Dovecot auth protocol, as its client writes and reads them
// (docs/formats/auth-protocol.md). Pure. Next: auth_service.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::smtpd {

// What a mechanism is or needs, by the server's word.
enum MechanismFlag : unsigned {
  mechanism_anonymous = 1u << 0,
  mechanism_plaintext = 1u << 1,
  mechanism_dictionary = 1u << 2,
  mechanism_active = 1u << 3,
  mechanism_forward_secrecy = 1u << 4,
  mechanism_mutual = 1u << 5,
  mechanism_private = 1u << 6,  // not for clients' eyes
  mechanism_channel_binding = 1u << 7,
};

struct Mechanism {
  std::string name;  // upper case
  unsigned flags = 0;
  bool operator==(const Mechanism&) const = default;
};

// One line of the server.
struct AuthServerLine {
  enum class Kind {
    version, mechanism, done,  // handshake
    more, success, failure,    // answers
    other,                     // nothing that we need
    broken,                    // the peer does not speak this protocol
  };
  Kind kind = Kind::broken;
  std::int64_t major = 0;  // of the protocol
  Mechanism mechanism;
  std::uint32_t id = 0;    // of the request
  std::string text;        // more: the challenge (base64); failure: the reason
  std::string user;        // success, failure: who, where it is known
  bool temporary = false;  // failure: nobody could tell
};
AuthServerLine parse_auth_line(std::string_view line);

// What is told of a session with a request.
struct AuthStart {
  std::string mechanism;
  std::string service;  // "smtp"
  std::string local_address, local_port, remote_address, remote_port;
  bool secured = false;
  // EXTERNAL: the name that a verified certificate gives.
  std::optional<std::string> certificate_name;
  // Channel bindings of the TLS session, as bytes; empty: none.
  std::string server_end_point, exporter, unique;
  // Base64, empty for "=" of the SMTP command; nullopt: none was sent.
  std::optional<std::string> initial;
};

// With their line ends. `process` is our process id.
std::string auth_handshake(long process);
std::string auth_request(std::uint32_t id, const AuthStart& start);
std::string auth_continue(std::uint32_t id, std::string_view base64);
std::string auth_cancel(std::uint32_t id);

// Whole groups of four, the last one padded where it is short (RFC 4648
// section 4). What is not does not reach the server: the connection to it is
// everybody's.
bool is_base64(std::string_view text);

}  // namespace postern::smtpd
