// The lines of the Dovecot auth protocol (docs/formats/auth-protocol.md), as
// text and as values. No I/O. Next: connection.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace postern::authd {

// A line longer than this ends the connection.
inline constexpr std::size_t longest_line = 16384;

// What the client tells of the session that somebody logs in on.
struct Session {
  std::string service;
  std::string local_address, local_port;
  std::string address, port;  // of the peer
  bool secured = false;
  bool no_penalty = false;
  bool valid_certificate = false;
  std::string certificate_name;
  // Channel binding data, as bytes; empty: none.
  std::string endpoint_binding;  // tls-server-end-point, RFC 5929
  std::string exporter_binding;  // tls-exporter, RFC 9266
  std::string unique_binding;    // tls-unique, RFC 5929

  bool operator==(const Session&) const = default;
};

struct VersionLine {
  std::int64_t major = 0;
  std::int64_t minor = 0;
};
struct ProcessLine {
  std::int64_t process = 0;
};
struct AuthLine {
  std::uint32_t id = 0;
  std::string mechanism;  // in capitals
  Session session;
  bool takes_final_response = false;
  std::optional<std::string> response;  // the initial one, decoded
};
struct ContinueLine {
  std::uint32_t id = 0;
  std::string response;
};
struct CancelLine {
  std::uint32_t id = 0;
};
// A command that we do not have: passed over, as the protocol wants.
struct UnknownLine {};
// A response, or what is told of its session, does not decode: that log-in
// fails, and the others of the connection go on.
struct SpoiledLine {
  std::uint32_t id = 0;
  std::string why;
};
// Not of the protocol: the connection ends.
struct BadLine {
  std::string why;
};

using ClientLine = std::variant<VersionLine, ProcessLine, AuthLine,
                                ContinueLine, CancelLine, SpoiledLine,
                                UnknownLine, BadLine>;

// `line` is without its end.
ClientLine parse(std::string_view line);

// A field's value with TAB, LF and so on escaped, and back.
std::string escaped(std::string_view value);
std::string unescaped(std::string_view value);

// Fields of an answer, in order. A value that is nullopt: the name alone.
using Fields = std::vector<std::pair<std::string, std::optional<std::string>>>;

// Lines with their end.
std::string ok_line(std::uint32_t id, const Fields& fields);
std::string fail_line(std::uint32_t id, const Fields& fields);
std::string continue_line(std::uint32_t id, std::string_view challenge);

struct MechanismOffer {
  std::string name;
  std::vector<std::string> flags;
};
// All that the server says first.
std::string greeting(const std::vector<MechanismOffer>& mechanisms,
                     std::int64_t process, std::uint64_t connection,
                     std::string_view cookie);

}  // namespace postern::authd
