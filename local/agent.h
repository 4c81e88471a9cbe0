// The delivery agent: takes requests from qmgr, has the row's program deliver
// to each recipient, and reports.
// Next: local_delivery.h, virtual_delivery.h, pipe_delivery.h; spawner.h.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "common/route/lookup_client.h"
#include "common/route/router.h"
#include "common/service/service.h"
#include "local/delivery.h"
#include "local/forward.h"
#include "local/pass.h"
#include "local/settings.h"
#include "local/spawner.h"
#include "local/status_filter.h"
#include "local/suite_directory.h"
#include "local/workers.h"

namespace postern::local {

class Agent {
 public:
  // Reads what must be read before the process is locked.
  explicit Agent(Service& service);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

 private:
  // A link from qmgr. It stays until its last request is answered.
  struct Peer {
    std::unique_ptr<ipc::Link> link;
    Nursery requests;
  };

  void choose_delivery();
  void take(Arrival arrival);
  Task<> serve(Peer* peer);
  Task<> handle(Peer* peer, std::uint32_t question,
                ipc::DeliverRequest request);
  void drain();
  void finish_when_idle();

  Service& service_;
  Settings settings_;
  route::LookupClient lookup_;
  route::Router router_;
  Workers workers_;
  SuiteDirectory directory_;
  Forwarder forwarder_;
  Passer passer_;
  StatusFilter filter_;
  std::unique_ptr<Spawner> spawner_;  // of a row of spawn
  std::unique_ptr<Delivery> delivery_;
  bool draining_ = false;
  std::int64_t at_work_ = 0;
  Nursery peers_;
};

}  // namespace postern::local
