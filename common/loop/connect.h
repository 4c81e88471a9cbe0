// Connecting out, without blocking.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/loop/task.h"
#include "common/os/fd.h"

namespace postern {

// A socket address of any family, with its text forms.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  static Result<SocketAddress> ip(const std::string& address, int port);
  static Result<SocketAddress> unix_path(const std::string& path);
  int family() const { return storage.ss_family; }
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
  std::string address() const;  // "192.0.2.1", "2001:db8::1", or the path
  int port() const;             // 0 for unix
};

// Connected, or trouble whose text is the reason alone ("Connection refused",
// "Network is unreachable", "Connection timed out"). `bind_to` null: any.
Task<Result<Fd>> connect_to(SocketAddress address, Millis limit,
                            std::optional<SocketAddress> bind_to);

}  // namespace postern
