#include "master/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "common/os/fd.h"

namespace postern::master {

Notifier::Notifier() {
  const char* socket = ::getenv("NOTIFY_SOCKET");
  if (socket == nullptr) return;
  socket_ = socket;
  ::unsetenv("NOTIFY_SOCKET");
}

void Notifier::ready() const {
  say("READY=1\nMAINPID=" + std::to_string(::getpid()));
}

void Notifier::reloading() const {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const long long micros = now.tv_sec * 1'000'000LL + now.tv_nsec / 1000;
  say("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(micros));
}

void Notifier::stopping() const { say("STOPPING=1"); }

void Notifier::say(const std::string& state) const {
  sockaddr_un address{};
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  // An abstract name begins with a zero byte, written as @.
  if (socket_.front() == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(
      offsetof(sockaddr_un, sun_path) + socket_.size());
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&address), length);
}

}  // namespace postern::master
