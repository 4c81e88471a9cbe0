// The client's side of SASL mechanisms (RFC 4422), challenge by challenge and
// without base64. Next: login.h, which speaks AUTH.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postern::smtp {

struct Credentials {
  std::string user;
  std::string password;  // for XOAUTH2 and OAUTHBEARER: the token
  // For OAuth: the file whose first line is the token, instead of `password`.
  std::string token_file;
};

// What ties a login to its TLS connection (RFC 5929, RFC 9266).
struct ChannelBinding {
  std::string type;  // "tls-exporter"; "": there is none
  std::string data;
};

struct SaslContext {
  Credentials credentials;
  bool send_authzid = false;  // send_cyrus_sasl_authzid
  std::string host;           // for OAUTHBEARER
  int port = 0;
  bool tls = false;
  ChannelBinding binding;
  // `count` bytes that nobody can guess.
  std::function<std::string(std::size_t count)> random;
};

class SaslExchange {
 public:
  virtual ~SaslExchange() = default;
  // The initial response; nullopt: the server speaks first. May be empty.
  virtual std::optional<std::string> first() { return std::nullopt; }
  // The response to a challenge. Trouble: the exchange cannot go on; its text
  // says why and holds no secret.
  virtual Result<std::string> next(std::string_view challenge) = 0;
  // Has the server shown what it must before its "235" counts?
  virtual bool server_proven() const { return true; }
};

// nullptr: there is no such mechanism. `name` is in upper case.
std::unique_ptr<SaslExchange> make_exchange(std::string_view name,
                                            SaslContext context);

}  // namespace postern::smtp
