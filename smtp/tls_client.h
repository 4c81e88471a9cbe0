// Starts TLS with servers, by the policy of each, and remembers sessions to
// resume. Next: common/tls/handshake.h.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/loop/stream.h"
#include "common/tls/context.h"
#include "common/tls/facts.h"
#include "smtp/route.h"
#include "smtp/settings.h"

namespace postern::smtp {

class TlsClient {
 public:
  // `settings` and `resolver` are borrowed; the latter reads the files that
  // policy tables name.
  TlsClient(std::shared_ptr<tls::ClientContext> context,
            const Settings& settings, Resolver& resolver);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // Trouble: no TLS, which is logged; the connection is of no more use. Whether
  // the certificate will do is in the facts (matched). Borrows the stream.
  Task<Result<tls::Facts>> start(Stream* stream, Target target,
                                 TlsPolicy policy);

 private:
  struct Kept {
    std::string session;
    Clock::time_point until;
  };
  void keep(const std::string& key, std::string session);
  std::string session_for(const std::string& key);

  std::shared_ptr<tls::ClientContext> context_;
  const Settings& settings_;
  Resolver& resolver_;
  // By server and everything that a session with it was held to: what was
  // good enough for one policy is not resumed under another.
  std::map<std::string, Kept> sessions_;
};

}  // namespace postern::smtp
