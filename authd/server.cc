#include "authd/server.h"

#include <utility>

namespace postern::authd {
namespace {

// Peers may be silent for as long as they like.
constexpr Millis listening = std::chrono::hours(1);

}  // namespace

Server::Server(Channels& channels, Keys& keys, log::Log log)
    : channels_(channels), keys_(keys), log_(std::move(log)) {}

void Server::take(std::unique_ptr<ipc::Link> link) {
  sessions_.start(serve(std::move(link)));
}

Task<void> Server::serve(std::unique_ptr<ipc::Link> link) {
  Nursery questions;  // goes before the link
  while (link->open() || link->waiting() > 0) {
    std::optional<ipc::Frame> frame = co_await link->next(listening);
    if (frame) handle(link.get(), &questions, std::move(*frame));
  }
}

void Server::handle(ipc::Link* link, Nursery* questions, ipc::Frame frame) {
  if (auto asked = frame.as<ipc::AuthChannel>()) {
    link->reply(frame.id, channels_.open(*asked, link->name()));
    return;
  }
  if (keys_.handle(link, questions, frame)) return;
  log_.warning("the {} service asked something that authd does not answer",
               link->name());
  link->close();
}

}  // namespace postern::authd
