// What a session asks of other processes, beside what access decisions ask
// (common/access/questions.h). The server (server.h) answers with
// links to lookup, cleanup and qmgr; tests answer by themselves.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/access/questions.h"
#include "common/ipc/link.h"
#include "common/ipc/messages/content.h"
#include "common/ipc/messages/lookup.h"
#include "common/ipc/messages/queue.h"
#include "common/loop/task.h"
#include "common/route/router.h"
#include "common/tls/context.h"
#include "smtpd/auth_service.h"

namespace postern::smtpd {

class Surroundings : public access::Questions {
 public:
  virtual Task<ipc::ClientNameAnswer> client_name(
      std::string address) = 0;
  // Counts an event of a client (anvil). Trouble: nobody counts now.
  virtual Task<Result<ipc::AnvilAnswer>> count(std::string event,
                                               std::string client) = 0;
  // Delivery of what waits for a site (ETRN).
  virtual Task<Result<ipc::FlushAnswer>> flush(std::string site) = 0;

  // Is there room in the queue? Asked once in a while, and answered from memory
  // in between.
  virtual Task<Result<ipc::RoomAnswer>> room(std::int64_t size_hint) = 0;
  // Null: TLS is not available.
  virtual std::shared_ptr<tls::ServerContext> tls() { return nullptr; }
  // Who knows the passwords (AUTH).
  virtual AuthService& authentication() = 0;

  // A link to cleanup for one message; gives it back when it is free again.
  virtual Task<Result<std::unique_ptr<ipc::Link>>> borrow_content_link() = 0;
  virtual void give_back(std::unique_ptr<ipc::Link> link) = 0;
};

}  // namespace postern::smtpd
