// What OpenSSL's callbacks know of the connection that they are called for.
// Inside common/tls alone.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/tls/context.h"
#include "common/tls/verify_words.h"

namespace postern::tls {

struct Connection {
  std::shared_ptr<ServerContext> server;  // one of these two
  std::shared_ptr<ClientContext> client;
  std::string peer;
  std::string server_name;  // asked for, and served
  std::function<void(std::string)> keep;  // new sessions of a client
  std::string early_session;  // that came before the handshake was over
  VerifyError fault;  // of a server's chain, where this is a client
  bool handshaking = true;

  const log::Log& log() const { return server ? server->log() : client->log(); }
  int log_level() const {
    return server ? server->settings().common.log_level
                  : client->settings().common.log_level;
  }
};

Connection* connection_of(const SSL* ssl);
void attach(SSL* ssl, Connection* connection);

// Parts of an SSL_CTX (context_base.cc).
Result<SslCtx> new_context(const SSL_METHOD* method,
                           const CommonSettings& settings, X509_STORE* trust);
Status use_identities(SSL_CTX* context, const Identities& identities);
Status use_identities(SSL* ssl, const Identities& identities);
std::uint64_t excluded_versions(const Protocols& protocols);

// Sessions of a server (server_sessions.cc).
void resume_sessions(SSL_CTX* context, const ServerSettings& settings);

// What is logged while the connection lives (trace.cc), by log level.
void trace(SSL* ssl, int log_level);

}  // namespace postern::tls
