// Logs in to a server that has offered AUTH (RFC 4954).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/loop/task.h"
#include "smtp/connection.h"
#include "smtp/outcome.h"
#include "smtp/sasl_exchange.h"
#include "smtp/surroundings.h"

namespace postern::smtp {

class Login {
 public:
  // Both are borrowed.
  Login(Connection& connection, const Surroundings& around,
        Credentials credentials);
  ~Login();
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;

  // nullopt: logged in. Throws Hangup.
  Task<std::optional<Failure>> run();

 private:
  // What is offered, allowed, and good for these credentials.
  Task<Result<std::vector<std::string>>> allowed_mechanisms();
  Task<Result<bool>> passes_filter(std::string mechanism);
  Task<Status> read_token();
  SaslContext context() const;
  const SecurityOptions& options() const;
  Task<std::optional<Failure>> exchange(
      std::string mechanism, std::unique_ptr<SaslExchange> exchange);
  std::optional<Failure> remembered() const;
  Failure refused(const mail::ParsedReply& reply);
  Failure cannot(std::string_view why) const;
  Failure unable(std::string text) const;

  Connection& connection_;
  const Surroundings& around_;
  const SaslSettings& settings_;
  Credentials credentials_;
  std::string who_;  // identity_of(credentials_), before a token is read
};

}  // namespace postern::smtp
