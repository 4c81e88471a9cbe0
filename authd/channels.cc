#include "authd/channels.h"

#include <sys/socket.h>

#include <cerrno>

#include "common/base/text.h"
#include "common/os/files.h"

namespace postern::authd {
namespace {

// So that the loop's other work is not starved.
constexpr int most_at_once = 32;
// How long accepting rests when the system has no descriptor left.
constexpr Millis rest{1000};

}  // namespace

Channels::Channels(Settings settings, Users& users, Gate& gate, Cyrus* cyrus,
                   std::string without_cyrus, log::Log log)
    : settings_(std::move(settings)),
      users_(users),
      gate_(gate),
      cyrus_(cyrus),
      without_cyrus_(std::move(without_cyrus)),
      log_(std::move(log)) {}

Result<std::shared_ptr<Backend>> Channels::backend_of(
    const ipc::AuthChannel& asked) {
  if (asked.backend == "postern") {
    MechanismSettings settings{settings_.mechanisms, asked.realm, asked.host};
    return std::shared_ptr<Backend>(
        std::make_shared<StoreBackend>(std::move(settings), users_, log_));
  }
  if (asked.backend != "cyrus")
    return give_up("3.5", "authd has no back end " + printable(asked.backend));
  if (cyrus_ == nullptr) return give_up("3.5", without_cyrus_);
  if (asked.path != settings_.application)
    return give_up("3.5",
                   "the Cyrus library serves one application, and that is " +
                       settings_.application + "; smtpd_sasl_path = " +
                       printable(asked.path) + " cannot be served beside it");
  return cyrus_->backend(asked.realm, asked.host);
}

ipc::AuthChannelAnswer Channels::open(const ipc::AuthChannel& asked,
                                      const std::string& peer) {
  ipc::AuthChannelAnswer answer;
  Result<std::shared_ptr<Backend>> backend = backend_of(asked);
  if (!backend) {
    log_.warning(backend.trouble().text);
    answer.trouble = ipc::TroubleWire::from(backend.trouble());
    return answer;
  }
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    const Trouble trouble = os::system_trouble("make a stream", errno);
    log_.warning(trouble.text);
    answer.trouble = ipc::TroubleWire::from(trouble);
    return answer;
  }
  answer.stream = Fd(ends[1]);
  if (serve(Fd(ends[0]), peer, std::move(*backend))) return answer;
  answer.stream.reset();
  answer.trouble = ipc::TroubleWire::from(
      try_later("3.2", "authd has too many clients"));
  return answer;
}

bool Channels::listen(Fd socket, std::string name,
                      const ipc::AuthChannel& asked) {
  Result<std::shared_ptr<Backend>> backend = backend_of(asked);
  if (!backend) {
    log_.warning("{} is not served: {}", name, backend.trouble().text);
    return false;
  }
  auto made = std::make_unique<Socket>();
  made->socket = std::move(socket);
  made->name = std::move(name);
  made->backend = std::move(*backend);
  Socket* from = made.get();
  made->watch = std::make_unique<Watch>(from->socket.get(), Watch::read, false,
                                        [this, from](short) { accept(*from); });
  made->rest = std::make_unique<Timer>([from] { from->watch->enable(); });
  sockets_.push_back(std::move(made));
  return true;
}

void Channels::accept(Socket& from) {
  for (int i = 0; i < most_at_once; ++i) {
    Fd client(::accept4(from.socket.get(), nullptr, nullptr,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
      log_.warning("accept on {}: {}", from.name, os::error_text(errno));
      from.watch->disable();
      from.rest->start(rest);
      return;
    }
    // One too many finds its stream closed.
    serve(std::move(client), from.name, from.backend);
  }
}

bool Channels::serve(Fd socket, const std::string& name,
                     std::shared_ptr<Backend> backend) {
  if (connections_.size() >= settings_.most) {
    log_.warning("the client {} is refused: {} others are served already",
                 name, connections_.size());
    return false;
  }
  connections_.start(run(std::make_unique<Connection>(
      std::move(socket), name, ++last_number_, std::move(backend), gate_)));
  return true;
}

Task<void> Channels::run(std::unique_ptr<Connection> connection) {
  co_await connection->run();
}

void Channels::drain(std::function<void()> finished) {
  sockets_.clear();
  gate_.when_idle(std::move(finished));
}

}  // namespace postern::authd
