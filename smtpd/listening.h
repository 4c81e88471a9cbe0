// Accepts clients from one of the row's sockets: inet, unix, or pass (a unix
// socket over which another server hands an accepted connection).
#pragma once

#include <functional>

#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/os/fd.h"
#include "common/service/service.h"
#include "common/access/client.h"

namespace postern::smtpd {

// What decides on access is spoken of everywhere here.
using namespace access;

class Listening {
 public:
  // `passed`: not the client, but who will hand it over.
  using Arrived = std::function<void(Fd, bool passed)>;

  // `accepts` is asked before each accept.
  Listening(Listener& listener, const log::Log& log,
            std::function<bool()> accepts, Arrived arrived);
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  void pause() { watch_.disable(); }
  void resume() { watch_.enable(); }

 private:
  void readable();

  Listener& listener_;
  const log::Log& log_;
  std::function<bool()> accepts_;
  Arrived arrived_;
  Timer retry_;
  Watch watch_;
};

// Both ends of a connected socket; not an internet socket: this host itself.
Client client_of(int socket);

// The descriptor that comes over a pass socket; invalid if none does.
Task<Fd> passed_descriptor(int socket);

// Small replies leave at once.
void send_without_delay(int socket);

}  // namespace postern::smtpd
