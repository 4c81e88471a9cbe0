#include "authd/server.h"

#include <utility>

namespace postern::authd {
namespace {

// Peers may be silent for as long as they like.
constexpr Millis listening = std::chrono::hours(1);

}  // namespace

Server::Server(Channels& channels, log::Log log)
    : channels_(channels), log_(std::move(log)) {}

void Server::take(std::unique_ptr<ipc::Link> link) {
  sessions_.start(serve(std::move(link)));
}

Task<void> Server::serve(std::unique_ptr<ipc::Link> link) {
  while (link->open() || link->waiting() > 0) {
    std::optional<ipc::Frame> frame = co_await link->next(listening);
    if (frame) handle(link.get(), std::move(*frame));
  }
}

void Server::handle(ipc::Link* link, ipc::Frame frame) {
  if (auto asked = frame.as<ipc::AuthChannel>()) {
    link->reply(frame.id, channels_.open(*asked, link->name()));
    return;
  }
  log_.warning("the {} service asked something that authd does not answer",
               link->name());
  link->close();
}

}  // namespace postern::authd
