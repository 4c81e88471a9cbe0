// Takes the links of other processes and answers what comes over them.
#pragma once

#include <memory>

#include "authd/channels.h"
#include "authd/keys.h"
#include "common/ipc/link.h"
#include "common/log/log.h"
#include "common/loop/task.h"

namespace postern::authd {

class Server {
 public:
  // Both must outlive it.
  Server(Channels& channels, Keys& keys, log::Log log);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves the link until it closes.
  void take(std::unique_ptr<ipc::Link> link);

 private:
  Task<void> serve(std::unique_ptr<ipc::Link> link);
  void handle(ipc::Link* link, Nursery* questions, ipc::Frame frame);

  Channels& channels_;
  Keys& keys_;
  log::Log log_;
  Nursery sessions_;
};

}  // namespace postern::authd
