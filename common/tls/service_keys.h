// authd as the holder of the keys, over a link that is made when first needed.
#pragma once

#include "common/service/service.h"
#include "common/tls/keys.h"

namespace postern::tls {

class ServiceKeys final : public KeyHolder {
 public:
  // `service` must outlive it.
  explicit ServiceKeys(Service& service);

  Task<Result<ipc::IdentityAnswer>> identity(
      ipc::IdentityFind question) override;
  Task<Result<ipc::SignAnswer>> sign(ipc::SignRequest question) override;
  Task<Result<ipc::TicketKeysAnswer>> ticket_keys(
      ipc::TicketKeysFind question) override;
  Task<Result<ipc::SessionAnswer>> session(ipc::SessionFind question) override;
  void keep(ipc::SessionKeep session) override;

 private:
  Task<void> send(ipc::SessionKeep session);

  SharedLink link_;
  Nursery sending_;
};

}  // namespace postern::tls
