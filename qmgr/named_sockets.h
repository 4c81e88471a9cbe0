// The sockets that administrators' tools speak to:
//
//   public/qmgr   "flush" | "flush-id ID"        -> "ok" or "unknown"
//   public/flush  "site DOMAIN"                  -> "ok", "deny", "bad"
//   public/showq  (nothing, or "list")           -> one JSON object a line
//
// One request a connection, a line each way; showq's answer ends with the
// connection. Anybody who may open the socket may ask: postqueue(1) is set-gid
// for it and checks authorized_flush_users and authorized_mailq_users.
#pragma once

#include <memory>

#include "common/loop/stream.h"
#include "common/loop/task.h"
#include "common/service/service.h"
#include "qmgr/manager.h"

namespace postern::qmgr {

class NamedSockets {
 public:
  NamedSockets(Service& service, Manager& manager);
  // Starts accepting on all listeners of the process.
  void start();
  // The successor accepts from now on.
  void stop() { watches_.clear(); }

 private:
  void accept(const Listener& listener);
  Task<void> serve(Fd socket, std::string program);
  Task<void> request(Stream* stream, std::string program);
  Task<std::string> answer(std::string program, std::string line);

  Service& service_;
  Manager& manager_;
  std::vector<std::unique_ptr<Watch>> watches_;
  Nursery nursery_;
};

// postqueue -p and -j show what this writes (showq.cc).
Task<void> list_queue(Manager* manager, Stream* stream);

}  // namespace postern::qmgr
