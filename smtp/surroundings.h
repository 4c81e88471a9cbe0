// What all deliveries of a process share.
#pragma once

#include "common/log/log.h"
#include "smtp/login_cache.h"
#include "smtp/route.h"
#include "smtp/settings.h"

namespace postern::smtp {

class SessionPool;
class TlsClient;

// Outlives deliveries and connections.
struct Surroundings {
  const Settings& settings;
  const log::Log& log;
  Resolver& resolver;
  SessionPool& sessions;
  LoginCache& logins;
  TlsClient* tls;  // null: this process has no TLS
};

}  // namespace postern::smtp
