// The Cyrus SASL library as a back end (smtpd_sasl_type = cyrus). Its steps
// block (saslauthd's socket, sasldb2), so each runs in a thread; a connection
// object is used by one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "authd/exchange.h"
#include "authd/workers.h"
#include "common/base/result.h"
#include "common/log/log.h"

namespace postern::authd {

struct CyrusSettings {
  std::string application;  // smtpd_sasl_path: APPLICATION.conf is read
  std::string directories;  // where it is looked for, ":" between them
  int log_level = -1;       // of APPLICATION.conf; -1: not said there
  // saslauthd's socket where the usual one is not there; empty: do not look,
  // since APPLICATION.conf says where it is.
  std::string jailed_saslauthd;
  Millis limit{120'000};    // for a step
};

class Cyrus {
 public:
  // Reads the configuration and loads the plug-ins: before the process is
  // confined, once. Trouble: this build is without the library, or it does not
  // start. Steps run in `workers`, and the list of mechanisms, which asks
  // nobody, is made in `lookups`; both must outlive it.
  static Result<std::unique_ptr<Cyrus>> start(const CyrusSettings& settings,
                                              Workers& workers,
                                              Workers& lookups, log::Log log);
  virtual ~Cyrus() = default;
  // `realm`: smtpd_sasl_local_domain; `host`: myhostname.
  virtual std::shared_ptr<Backend> backend(std::string realm,
                                           std::string host) = 0;
};

}  // namespace postern::authd
