#include "qmgr/named_sockets.h"

#include <sys/socket.h>

#include "common/base/text.h"
#include "common/queue/queue_id.h"

namespace postern::qmgr {
namespace {

constexpr Millis patience = std::chrono::seconds(60);
constexpr std::size_t longest_request = 1000;

}  // namespace

NamedSockets::NamedSockets(Service& service, Manager& manager)
    : service_(service), manager_(manager) {}

void NamedSockets::start() {
  for (const Listener& listener : service_.listeners()) {
    watches_.push_back(std::make_unique<Watch>(
        listener.socket.get(), Watch::read, false,
        [this, &listener](short) { accept(listener); }));
    watches_.back()->enable();
  }
}

void NamedSockets::accept(const Listener& listener) {
  std::string program = listener.service;
  if (const ServiceRow* row = service_.hosted(listener.service))
    program = row->program;
  if (listener.type == "fifo") {
    // The old wake-up: any byte means "look at the queue".
    char bytes[256];
    while (::read(listener.socket.get(), bytes, sizeof bytes) > 0) {
    }
    manager_.scan_incoming();
    return;
  }
  for (;;) {
    Fd socket(::accept4(listener.socket.get(), nullptr, nullptr,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    nursery_.start(serve(std::move(socket), program));
  }
}

Task<void> NamedSockets::serve(Fd socket, std::string program) {
  Stream stream(std::move(socket));
  try {
    co_await request(&stream, std::move(program));
  } catch (const Hangup&) {
    // The tool has gone; nothing is owed to it.
  }
}

Task<void> NamedSockets::request(Stream* stream, std::string program) {
  if (program == "showq") {
    co_await list_queue(&manager_, stream);
    // Closing with something unread would reset the connection, and the end of
    // the list with it.
    stream->poll();
    co_return;
  }
  std::size_t end = std::string::npos;
  for (;;) {
    end = stream->buffered().find('\n');
    if (end != std::string_view::npos) break;
    if (stream->buffered().size() > longest_request) co_return;
    co_await stream->fill(patience);
  }
  std::string line(trim(stream->buffered().substr(0, end)));
  stream->consume(end + 1);
  std::string reply = co_await answer(std::move(program), std::move(line));
  stream->put(reply + "\n");
  co_await stream->flush(patience);
}

Task<std::string> NamedSockets::answer(std::string program, std::string line) {
  const std::size_t space = line.find(' ');
  const std::string verb = line.substr(0, space);
  const std::string argument =
      space == std::string::npos ? "" : line.substr(space + 1);
  if (program == "flush") {
    if (verb != "site") co_return "bad";
    co_return co_await manager_.flush_site(argument);
  }
  if (verb == "flush") {
    manager_.flush_all();
    co_return "ok";
  }
  if (verb == "flush-id" && queue::valid_id(argument))
    co_return manager_.flush_message(argument) ? "ok" : "unknown";
  // The letters that postkick(1) knows.
  if (line == "D" || line == "F" || line == "A") {
    manager_.flush_all();
    co_return "ok";
  }
  if (line == "I" || line == "W") {
    manager_.scan_incoming();
    co_return "ok";
  }
  co_return "bad";
}

}  // namespace postern::qmgr
