#include "common/databases/dial.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "common/base/text.h"
#include "common/os/files.h"

namespace postern::databases {
namespace {

using Clock = std::chrono::steady_clock;

Trouble reason(int error) { return try_later("3.0", os::error_text(error)); }

Status wait_for(int fd, short events, Clock::time_point end) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) return reason(ETIMEDOUT);
    pollfd one{fd, events, 0};
    const int count = ::poll(&one, 1, static_cast<int>(left.count()));
    if (count > 0) return {};
    if (count < 0 && errno != EINTR) return reason(errno);
  }
}

Result<Fd> connect_to(const sockaddr* address, socklen_t length,
                      Clock::time_point end) {
  Fd socket(::socket(address->sa_family,
                     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return reason(errno);
  if (address->sa_family != AF_UNIX) {
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (::connect(socket.get(), address, length) == 0) return socket;
  if (errno != EINPROGRESS) return reason(errno);
  const Status ready = wait_for(socket.get(), POLLOUT, end);
  if (!ready.ok()) return ready.trouble();
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return reason(error);
  return socket;
}

Result<Fd> connect_unix(const std::string& path, Clock::time_point end) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return reason(ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address,
                    end);
}

Result<Fd> connect_inet(const Endpoint& endpoint, Clock::time_point end) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* raw = nullptr;
  const int error = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(),
                                  &hints, &raw);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(
      raw, &::freeaddrinfo);
  if (error != 0) return try_later("3.0", ::gai_strerror(error));
  Result<Fd> last = reason(ENOENT);
  for (const addrinfo* one = raw; one != nullptr; one = one->ai_next) {
    last = connect_to(one->ai_addr, one->ai_addrlen, end);
    if (last) break;
  }
  return last;
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text, bool plain) {
  const auto wrong = [&](const char* need) {
    return give_up("3.5", "bad endpoint \"" + std::string(text) +
                              "\"; need \"" + need + "\"");
  };
  Endpoint endpoint;
  std::string_view rest = text;
  if (rest.starts_with("unix:")) {
    endpoint.path = rest.substr(5);
    if (endpoint.path.empty()) return wrong("unix:pathname");
    return endpoint;
  }
  if (rest.starts_with("inet:"))
    rest.remove_prefix(5);
  else if (!plain)
    return wrong("inet:host:port or unix:pathname");
  const char* const need = plain ? "host:port" : "inet:host:port";
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == rest.size())
    return wrong(need);
  endpoint.host = rest.substr(0, colon);
  endpoint.port = rest.substr(colon + 1);
  if (endpoint.host.front() == '[') {
    if (endpoint.host.size() < 3 || endpoint.host.back() != ']')
      return wrong(need);
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  }
  return endpoint;
}

Result<Dialogue> Dialogue::open(const Endpoint& endpoint, Limit limit) {
  const Clock::time_point end = Clock::now() + limit;
  Result<Fd> socket = endpoint.path.empty() ? connect_inet(endpoint, end)
                                            : connect_unix(endpoint.path, end);
  if (!socket) return socket.trouble();
  Dialogue dialogue;
  dialogue.socket_ = std::move(*socket);
  return dialogue;
}

Status Dialogue::send(std::string_view data, Limit limit) {
  const Clock::time_point end = Clock::now() + limit;
  while (!data.empty()) {
    const ssize_t count =
        ::send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL);
    if (count > 0) {
      data.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN || errno == EINTR) {
      const Status ready = wait_for(socket_.get(), POLLOUT, end);
      if (!ready.ok()) return ready;
    } else {
      return reason(errno);
    }
  }
  return {};
}

Status Dialogue::fill(Clock::time_point end) {
  char buffer[16384];
  for (;;) {
    const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (count > 0) {
      input_.append(buffer, static_cast<std::size_t>(count));
      return {};
    }
    if (count == 0) return try_later("3.0", "the server closed the connection");
    if (errno != EAGAIN && errno != EINTR) return reason(errno);
    const Status ready = wait_for(socket_.get(), POLLIN, end);
    if (!ready.ok()) return ready;
  }
}

Result<std::string> Dialogue::line(std::size_t longest, Limit limit) {
  const Clock::time_point end = Clock::now() + limit;
  std::size_t at = 0;
  while ((at = input_.find('\n')) == std::string::npos) {
    if (input_.size() > longest) break;
    const Status more = fill(end);
    if (!more.ok()) return more.trouble();
  }
  if (at > longest) return try_later("3.0", "the reply is too long");
  std::string line = input_.substr(0, at);
  input_.erase(0, at + 1);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

Result<std::string> Dialogue::bytes(std::size_t count, Limit limit) {
  const Clock::time_point end = Clock::now() + limit;
  while (input_.size() < count) {
    const Status more = fill(end);
    if (!more.ok()) return more.trouble();
  }
  std::string bytes = input_.substr(0, count);
  input_.erase(0, count);
  return bytes;
}

bool Dialogue::idle() const {
  char byte = 0;
  const ssize_t count =
      ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return input_.empty() && count < 0 && errno == EAGAIN;
}

}  // namespace postern::databases
