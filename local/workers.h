// Workers: processes that are a recipient, started by master, and kept for a
// few seconds because mail for one recipient often comes in bursts; and
// runners, which run one command and are gone. Messages
// for one mbox file wait for each other here, in order, instead of at its lock.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/ipc/link.h"
#include "common/ipc/messages/control.h"
#include "common/ipc/messages/worker.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/service/service.h"

namespace postern::local {

class Workers {
 public:
  // Never more than `most` at a time, idle ones included; who comes later
  // waits.
  Workers(Service& service, std::int64_t most);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Has a worker with these ids store a message. Success is what the worker
  // has synced; Trouble after it was asked may mean that it was stored and
  // nobody heard so.
  Task<Result<ipc::StoreAnswer>> store(ipc::WorkerRequest who,
                                       ipc::StoreRequest what);
  // Has it read a forwarding or :include: file.
  Task<Result<ipc::ListAnswer>> list(ipc::WorkerRequest who,
                                     ipc::ListRequest what);
  // Has a runner run a command, and waits for its end: `limit` is a little
  // more than the command has.
  Task<Result<ipc::RunAnswer>> run(ipc::WorkerRequest who, ipc::RunRequest what,
                                   Millis limit);

 private:
  struct Idle {
    std::string key;
    Clock::time_point until;
    std::unique_ptr<ipc::Link> link;
  };
  class Place;  // one of the `most`
  class Turn;   // at a mailbox

  Task<Result<std::unique_ptr<ipc::Link>>> obtain(ipc::WorkerRequest who);
  std::unique_ptr<ipc::Link> take_idle(const std::string& key);
  void keep(std::string key, std::unique_ptr<ipc::Link> link);
  void dismiss_idle();
  void give_back();

  Service& service_;
  std::int64_t most_;
  std::int64_t busy_ = 0;
  std::list<Idle> idle_;  // the one that waits longest first
  std::list<Promised<bool>*> waiting_;
  // Mailboxes at work, and who waits for them.
  std::map<std::string, std::list<Promised<bool>*>> turns_;
  Timer timer_;
};

}  // namespace postern::local
