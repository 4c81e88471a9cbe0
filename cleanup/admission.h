// Tells qmgr of new messages, over one link for all of them, and never waits
// for it. A message that could not be announced lies in incoming: qmgr looks
// there each time it gets this link.
#pragma once

#include <functional>
#include <memory>

#include "common/base/result.h"
#include "common/ipc/link.h"
#include "common/ipc/messages/queue.h"
#include "common/loop/task.h"

namespace postern::cleanup {

class Admission {
 public:
  using Connect = std::function<Task<Result<std::unique_ptr<ipc::Link>>>()>;
  explicit Admission(Connect connect) : connect_(std::move(connect)) {}

  // Makes the link, and again whenever it is lost, until stop().
  void start();
  void stop();

  void announce(ipc::MessageAdmit message);

 private:
  Task<void> keep_connected();
  void lost();

  Connect connect_;
  std::unique_ptr<ipc::Link> link_;
  bool wanted_ = false;
  bool connecting_ = false;
  Nursery nursery_;
};

}  // namespace postern::cleanup
