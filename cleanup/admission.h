// Tells qmgr of new messages, over one link for all of them, and never waits
// for it. What could not be announced is named when there is a link again;
// beyond a limit, and after a crash of ours, qmgr finds it by looking into
// incoming.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

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
  void tell_missed();

  Connect connect_;
  std::unique_ptr<ipc::Link> link_;
  bool wanted_ = false;
  bool connecting_ = false;
  std::vector<std::string> missed_;  // queue ids, to be told by the next link
  Nursery nursery_;
};

}  // namespace postern::cleanup
