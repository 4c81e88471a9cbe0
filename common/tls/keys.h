// Private keys are elsewhere: a process that speaks with strangers has public
// certificates, and asks authd for each signature of a handshake.
// Next: key_provider.h (how OpenSSL is made to ask), common/ipc/messages/keys.h.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/ipc/messages/keys.h"
#include "common/loop/task.h"

namespace postern::tls {

// Whoever holds the keys: authd over a link (service_keys.h), or a test.
// Must outlive the contexts and handshakes that use it.
class KeyHolder {
 public:
  virtual ~KeyHolder() = default;

  // The certificates for a server name ("": the default ones).
  virtual Task<Result<ipc::IdentityAnswer>> identity(
      ipc::IdentityFind question) = 0;
  virtual Task<Result<ipc::SignAnswer>> sign(ipc::SignRequest question) = 0;
  // The keys of session tickets; servers only.
  virtual Task<Result<ipc::TicketKeysAnswer>> ticket_keys(
      ipc::TicketKeysFind question) = 0;
  // A session by its id, and one to keep: for clients without tickets.
  virtual Task<Result<ipc::SessionAnswer>> session(
      ipc::SessionFind question) = 0;
  virtual void keep(ipc::SessionKeep session) = 0;
};

}  // namespace postern::tls
