// OpenSSL contexts: what all connections of a row have in common. Made before
// the process is locked (they read the files of authorities), shared by their
// connections, renewed when certificates are.
// Next: handshake.h.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/log/log.h"
#include "common/loop/task.h"
#include "common/tls/keys.h"
#include "common/tls/library.h"
#include "common/tls/settings.h"

namespace postern::tls {

// A certificate with its chain and its distant key.
struct Identity {
  X509Certificate certificate;
  std::vector<X509Certificate> chain;
  Key key;
};
using Identities = std::vector<Identity>;

// Makes OpenSSL objects of what the holder of the keys sent.
Result<std::shared_ptr<Identities>> identities_of(
    const ipc::IdentityAnswer& answer, KeyHolder* holder);

class ServerContext {
 public:
  // Reads authorities and Diffie-Hellman parameters. Trouble: TLS cannot be
  // offered (settings.fault included); its text is for the log. `holder` must
  // outlive the context.
  static Result<std::shared_ptr<ServerContext>> make(ServerSettings settings,
                                                     KeyHolder* holder,
                                                     const log::Log& log);
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  const ServerSettings& settings() const { return settings_; }
  const log::Log& log() const { return log_; }
  KeyHolder& holder() { return *holder_; }

  // Before each handshake: asks whether certificates or ticket keys are new,
  // at most once a second. Where new ones cannot be had the old ones stay in
  // use, with a warning. Trouble: there are none at all.
  Task<Status> prepare();
  // After prepare(). Null: OpenSSL refuses (see its errors).
  Ssl connection();

  // The certificates for a name that a client asked for; null: none. From
  // inside a handshake.
  std::shared_ptr<Identities> named(const std::string& server_name);
  const std::vector<ipc::TicketKeyWire>& tickets() const { return tickets_; }

 private:
  ServerContext(ServerSettings settings, KeyHolder* holder, log::Log log)
      : settings_(std::move(settings)),
        holder_(holder),
        log_(std::move(log)) {}
  Status start();
  Task<Status> renew_certificates();
  Task<void> renew_tickets();
  Result<SslCtx> build(const Identities& identities) const;
  void complain(const std::string& text);

  ServerSettings settings_;
  KeyHolder* holder_;
  log::Log log_;
  X509Trust trust_;
  // What clients are told of the authorities that their certificates may have.
  std::unique_ptr<STACK_OF(X509_NAME), void (*)(STACK_OF(X509_NAME)*)>
      authorities_{nullptr, nullptr};
  Key dh_;
  SslCtx context_;
  std::string version_;  // of the certificates
  std::string complaint_;  // the last one, so that it is not repeated
  Clock::time_point checked_{};
  std::vector<ipc::TicketKeyWire> tickets_;
  Clock::time_point tickets_until_{};
  struct Named {
    std::string version;
    std::shared_ptr<Identities> identities;
    Clock::time_point checked{};
  };
  std::map<std::string, Named> named_;
};

class ClientContext {
 public:
  // As ServerContext::make. Without client certificates `holder` is never
  // asked.
  static Result<std::shared_ptr<ClientContext>> make(ClientSettings settings,
                                                     KeyHolder* holder,
                                                     const log::Log& log);
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  const ClientSettings& settings() const { return settings_; }
  const log::Log& log() const { return log_; }

  // Before each handshake, as ServerContext::prepare; never fails for want of
  // a client certificate: it is then not presented, with a warning.
  Task<Status> prepare();
  Ssl connection();
  // After prepare(). A session may be resumed only where this is what it was
  // when the session was made: what was trusted then, and as whom we came.
  const std::string& session_basis() const { return session_basis_; }

 private:
  ClientContext(ClientSettings settings, KeyHolder* holder, log::Log log)
      : settings_(std::move(settings)),
        holder_(holder),
        log_(std::move(log)) {}
  Status start();
  void complain(const std::string& text);

  ClientSettings settings_;
  KeyHolder* holder_;
  log::Log log_;
  X509Trust trust_;
  SslCtx context_;
  std::shared_ptr<Identities> identities_;
  std::string session_basis_;
  std::string version_;
  std::string complaint_;
  Clock::time_point checked_{};
};

}  // namespace postern::tls
