#include "cleanup/admission.h"

#include <algorithm>
#include <utility>

namespace postern::cleanup {
namespace {

// A qmgr that does not keep up is told nothing more; it scans when it gets the
// next link.
constexpr std::size_t patience = 32u << 20;
// An announcement must fit into a frame: a longer one names the message only.
constexpr std::size_t longest = ipc::largest_frame / 2;
// So many messages are remembered while there is no link.
constexpr std::size_t most_missed = 100'000;

std::size_t size_of(const ipc::MessageAdmit& message) {
  std::size_t size = message.envelope.size();
  for (const ipc::RouteWire& route : message.routes)
    size += route.transport.size() + route.nexthop.size() +
            route.address.size() + 12;
  return size;
}

}  // namespace

void Admission::start() {
  wanted_ = true;
  if (connecting_ || link_) return;
  connecting_ = true;
  nursery_.start(keep_connected());
}

void Admission::stop() { wanted_ = false; }

Task<void> Admission::keep_connected() {
  constexpr Millis longest_pause{10'000};
  Millis delay{200};
  while (wanted_ && !link_) {
    Result<std::unique_ptr<ipc::Link>> made = co_await connect_();
    if (made) {
      link_ = std::move(*made);
      link_->when_closed([this] { lost(); });
      tell_missed();
      break;
    }
    co_await pause(delay);
    delay = std::min(delay * 2, longest_pause);
  }
  connecting_ = false;
}

void Admission::lost() {
  link_.reset();
  if (wanted_) start();
}

// By name alone: qmgr reads the file.
void Admission::tell_missed() {
  for (std::string& id : std::exchange(missed_, {})) {
    ipc::MessageAdmit message;
    message.queue_id = std::move(id);
    link_->send(message);
  }
}

void Admission::announce(ipc::MessageAdmit message) {
  if (!link_ || !link_->open()) {
    if (missed_.size() < most_missed)
      missed_.push_back(std::move(message.queue_id));
    return;
  }
  if (link_->unsent() > patience) {
    missed_.push_back(std::move(message.queue_id));
    link_->close();
    return;
  }
  if (size_of(message) > longest) {
    message.layout.clear();
    message.envelope.clear();
    message.routes.clear();
  }
  link_->send(message);
}

}  // namespace postern::cleanup
