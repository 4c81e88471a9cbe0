#include "smtp/agent.h"

namespace postern::smtp {
namespace {

// A link is quiet for as long as there is no mail.
constexpr Seconds quiet(86400);

}  // namespace

Agent::Agent(const Settings& settings, const log::Log& log, Resolver& resolver,
             TlsClient* tls)
    : log_(log),
      sessions_(settings),
      around_{settings, log, resolver, sessions_, logins_, tls} {}

void Agent::serve(std::unique_ptr<ipc::Link> link) {
  peers_.emplace_back(std::move(link));
  const auto self = std::prev(peers_.end());
  self->link->when_closed([this, self] {
    peers_.erase(self);
    if (busy() == 0 && when_idle_) when_idle_();
  });
  self->deliveries.when_empty([this] {
    if (busy() == 0 && when_idle_) when_idle_();
  });
  self->reader.start(take_requests(&*self));
}

std::size_t Agent::busy() const {
  std::size_t all = 0;
  for (const Peer& peer : peers_) all += peer.deliveries.size();
  return all;
}

void Agent::when_idle(std::function<void()> callback) {
  when_idle_ = std::move(callback);
}

Task<void> Agent::take_requests(Peer* peer) {
  while (peer->link->open()) {
    std::optional<ipc::Frame> frame = co_await peer->link->next(quiet);
    if (!frame) continue;
    std::optional<ipc::DeliverRequest> request =
        frame->as<ipc::DeliverRequest>();
    if (!request || !request->message.valid()) {
      log_.warning("unreadable request from the {} service: link closed",
                   peer->link->name());
      peer->link->close();
      co_return;
    }
    auto delivery = std::make_unique<Delivery>(around_, std::move(*request));
    peer->deliveries.start(deliver(peer, frame->id, std::move(delivery)));
  }
}

Task<void> Agent::deliver(Peer* peer, std::uint32_t question,
                          std::unique_ptr<Delivery> delivery) {
  const ipc::DeliverReport report = co_await delivery->run();
  peer->link->reply(question, report);
}

}  // namespace postern::smtp
