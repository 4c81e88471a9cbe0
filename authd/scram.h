// The server's side of SCRAM (RFC 5802, 7677), with channel binding (RFC 5929,
// 9266), as a pure sequence of messages: first(), challenge(), last().
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/credentials/scram_keys.h"

namespace postern::authd {

class ScramServer {
 public:
  struct Bindings {
    std::string endpoint;  // tls-server-end-point
    std::string exporter;  // tls-exporter
    std::string unique;    // tls-unique
  };
  // `plus`: the mechanism's name ended in -PLUS.
  ScramServer(credentials::Hash hash, bool plus, Bindings bindings)
      : hash_(hash), plus_(plus), bindings_(std::move(bindings)) {}

  // Takes client-first-message. False: why() says what is wrong.
  bool first(std::string_view message);
  const std::string& user() const { return user_; }
  const std::string& authorized() const { return authorized_; }  // or empty

  // server-first-message. `nonce`: ours, printable and without a comma.
  std::string challenge(const credentials::ScramKeys& keys,
                        std::string_view nonce);

  // Takes client-final-message; gives server-final-message, or nullopt and
  // why(). wrong_proof(): the message was right, the password was not.
  std::optional<std::string> last(std::string_view message);
  bool wrong_proof() const { return wrong_proof_; }

  const std::string& why() const { return why_; }

 private:
  bool fail(std::string why) {
    why_ = std::move(why);
    return false;
  }
  bool take_header(std::string_view flag, std::string_view name);
  std::string binding_data() const;

  credentials::Hash hash_;
  bool plus_;
  Bindings bindings_;
  std::string header_;   // gs2-header
  std::string binding_;  // the type that the client chose; empty: none
  std::string bare_;     // client-first-message-bare
  std::string user_;
  std::string authorized_;
  std::string nonce_;
  std::string server_first_;
  credentials::ScramKeys keys_;
  bool wrong_proof_ = false;
  std::string why_;
};

}  // namespace postern::authd
