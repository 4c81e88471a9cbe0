// The agent: requests come over links from qmgr, each is a Delivery of its
// own, many at once.
#pragma once

#include <list>
#include <memory>

#include "common/ipc/link.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "smtp/delivery.h"

namespace postern::smtp {

class Agent {
 public:
  // All are borrowed; `tls` may be null.
  Agent(const Settings& settings, const log::Log& log, Resolver& resolver,
        TlsClient* tls);

  // Serves the link until it closes. What is under way for it is dropped then:
  // nobody would hear the outcome, and qmgr will try again.
  void serve(std::unique_ptr<ipc::Link> link);

  std::size_t busy() const;
  // Called each time the last delivery has ended.
  void when_idle(std::function<void()> callback);

 private:
  struct Peer {
    explicit Peer(std::unique_ptr<ipc::Link> given) : link(std::move(given)) {}
    std::unique_ptr<ipc::Link> link;
    Nursery deliveries;
    Nursery reader;
  };
  Task<void> take_requests(Peer* peer);
  Task<void> deliver(Peer* peer, std::uint32_t question,
                     std::unique_ptr<Delivery> delivery);

  const log::Log& log_;
  SessionPool sessions_;
  LoginCache logins_;
  Surroundings around_;
  std::list<Peer> peers_;
  std::function<void()> when_idle_;
};

}  // namespace postern::smtp
