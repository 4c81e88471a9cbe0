// Links that other processes have with cleanup: messages from smtpd and local,
// one at a time over each link; requests for notices from qmgr.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "cleanup/submission.h"
#include "common/ipc/link.h"
#include "common/ipc/messages/queue.h"
#include "common/loop/task.h"

namespace postern::cleanup {

class Intake {
 public:
  // Answers a request for a notice.
  using Notify = std::function<Task<ipc::NoticeDone>(ipc::NoticeRequest)>;

  Intake(Means means, Notify notify)
      : means_(means), notify_(std::move(notify)) {}
  ~Intake();

  void serve(std::unique_ptr<ipc::Link> link);

  // No further messages: idle links are closed, others when their message is
  // done. `finished` is called when none is left.
  void drain(std::function<void()> finished);
  std::size_t links() const { return conversations_.size(); }

 private:
  struct Conversation {
    std::unique_ptr<ipc::Link> link;
    int busy = 0;  // messages or requests under way
    std::list<Conversation>::iterator self;
  };

  Task<void> converse(Conversation* conversation);
  // False: the link is of no more use.
  Task<bool> receive(Conversation* conversation, ipc::MessageBegin begin,
                     std::uint32_t question);
  Task<void> answer_notice(Conversation* conversation, ipc::NoticeRequest what,
                           std::uint32_t question);

  Means means_;
  Notify notify_;
  bool draining_ = false;
  std::function<void()> finished_;
  std::list<Conversation> conversations_;
  Nursery nursery_;
};

}  // namespace postern::cleanup
