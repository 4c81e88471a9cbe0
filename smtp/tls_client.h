// Starts TLS with servers, by the policy of each, and resumes sessions of
// earlier connections. Next: common/tls/handshake.h, tls_sessions.h.
#pragma once

#include <memory>
#include <string>

#include "common/loop/stream.h"
#include "common/tls/context.h"
#include "common/tls/handshake.h"
#include "smtp/route.h"
#include "smtp/settings.h"
#include "smtp/tls_sessions.h"

namespace postern::smtp {

class TlsClient {
 public:
  // All but the context are borrowed; `resolver` reads the files that policy
  // tables name. Null: no session is resumed.
  TlsClient(std::shared_ptr<tls::ClientContext> context,
            const Settings& settings, Resolver& resolver,
            TlsSessions* sessions);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // Trouble: no TLS, which is logged; the connection is of no more use. Whether
  // the certificate will do is in the facts (matched). Borrows the stream.
  Task<Result<tls::Facts>> start(Stream* stream, Target target,
                                 TlsPolicy policy);

 private:
  Task<void> add_session(const std::string* key, tls::Wish* wish);
  void keep(const std::string& key, std::string session);
  const char* cache() const { return settings_.lmtp ? "lmtp" : "smtp"; }

  std::shared_ptr<tls::ClientContext> context_;
  const Settings& settings_;
  Resolver& resolver_;
  TlsSessions* sessions_;
};

}  // namespace postern::smtp
