#include "tools/named_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/os/files.h"

namespace postern::tools {
namespace {

Trouble reason(int error) { return try_later("3.0", os::error_text(error)); }

Result<Fd> connect_socket(const std::string& path, int flags,
                          std::chrono::seconds patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return reason(ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!socket) return reason(errno);
  const timeval limit{static_cast<time_t>(patience.count()), 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof address) != 0)
    return reason(errno);
  return socket;
}

}  // namespace

Result<Fd> connect_named(const std::string& path,
                         std::chrono::seconds patience) {
  return connect_socket(path, 0, patience);
}

Result<std::string> ask_named(const std::string& path, std::string_view line,
                              std::chrono::seconds patience) {
  Result<Fd> socket = connect_named(path, patience);
  if (!socket) return socket.trouble();
  std::string request(line);
  request += '\n';
  if (::send(socket->get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
    return reason(errno);
  std::string reply;
  char buffer[512];
  while (reply.find('\n') == std::string::npos) {
    const ssize_t n = ::read(socket->get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return reason(errno == EAGAIN ? ETIMEDOUT : errno);
    if (n == 0) return reason(ECONNRESET);
    reply.append(buffer, static_cast<std::size_t>(n));
  }
  return reply.substr(0, reply.find('\n'));
}

Status poke(const std::string& path, std::string_view request) {
  struct stat facts;
  if (::stat(path.c_str(), &facts) != 0) return reason(errno);
  if (S_ISFIFO(facts.st_mode)) {
    const Fd fifo(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (!fifo || ::write(fifo.get(), request.data(), request.size()) < 0)
      return reason(errno);
    return {};
  }
  const Result<Fd> socket =
      connect_socket(path, SOCK_NONBLOCK, std::chrono::seconds(1));
  if (!socket) return socket.trouble();
  if (::send(socket->get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
    return reason(errno);
  return {};
}

}  // namespace postern::tools
