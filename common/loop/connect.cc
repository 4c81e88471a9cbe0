#include "common/loop/connect.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "common/os/files.h"

namespace postern {
namespace {

Trouble reason(int error) { return try_later("4.1", os::error_text(error)); }

}  // namespace

Result<SocketAddress> SocketAddress::ip(const std::string& address, int port) {
  SocketAddress out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  const auto network_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = network_port;
    out.length = sizeof *v4;
    return out;
  }
  if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = network_port;
    out.length = sizeof *v6;
    return out;
  }
  return give_up("4.4", "not a network address: " + address);
}

Result<SocketAddress> SocketAddress::unix_path(const std::string& path) {
  SocketAddress out;
  auto* un = reinterpret_cast<sockaddr_un*>(&out.storage);
  if (path.empty() || path.size() >= sizeof un->sun_path)
    return give_up("4.4", "bad socket path: " + path);
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, path.data(), path.size());
  out.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                      path.size() + 1);
  return out;
}

std::string SocketAddress::address() const {
  char buffer[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET)
    ::inet_ntop(AF_INET,
                &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr,
                buffer, sizeof buffer);
  if (family() == AF_INET6)
    ::inet_ntop(AF_INET6,
                &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr,
                buffer, sizeof buffer);
  if (family() == AF_UNIX)
    return reinterpret_cast<const sockaddr_un*>(&storage)->sun_path;
  return buffer;
}

int SocketAddress::port() const {
  if (family() == AF_INET)
    return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  if (family() == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return 0;
}

Task<Result<Fd>> connect_to(SocketAddress address, Millis limit,
                            std::optional<SocketAddress> bind_to) {
  Fd fd(::socket(address.family(),
                 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) co_return reason(errno);
  if (address.family() != AF_UNIX) {
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  if (bind_to && ::bind(fd.get(), bind_to->get(), bind_to->length) != 0)
    co_return reason(errno);
  if (::connect(fd.get(), address.get(), address.length) == 0)
    co_return std::move(fd);
  if (errno != EINPROGRESS) co_return reason(errno);

  Promised<bool> writable;
  Watch watch(fd.get(), Watch::write, false,
              [&](short) { writable.set(true); });
  const bool in_time = co_await writable.wait(limit);
  if (!in_time) co_return reason(ETIMEDOUT);
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) co_return reason(error);
  co_return std::move(fd);
}

}  // namespace postern
