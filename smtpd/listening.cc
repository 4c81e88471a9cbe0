#include "smtpd/listening.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "common/os/files.h"

namespace postern::smtpd {
namespace {

// So that other work of the loop is not starved by a flood of connections.
constexpr int most_at_once = 32;
// How long accepting rests when the system has no descriptor left.
constexpr Millis rest = Seconds(1);
// A server that passes a connection has it at hand.
constexpr Millis pass_limit = Seconds(5);

struct Endpoint {
  std::string address = "unknown";
  std::string port = "0";
  bool internet = false;
};

Endpoint endpoint_of(const sockaddr_storage& storage) {
  Endpoint out;
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof in);
    ::inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    out.port = std::to_string(ntohs(in.sin_port));
  } else if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &storage, sizeof in);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&in.sin6_addr);
    ::inet_ntop(mapped ? AF_INET : AF_INET6,
                in.sin6_addr.s6_addr + (mapped ? 12 : 0), text, sizeof text);
    out.port = std::to_string(ntohs(in.sin6_port));
  } else {
    return out;
  }
  out.address = text;
  out.internet = true;
  return out;
}

}  // namespace

Client client_of(int socket) {
  Client client;
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  Endpoint peer, own;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &length) ==
      0)
    peer = endpoint_of(storage);
  if (!peer.internet) {
    client.name = client.reverse_name = "localhost";
    client.name_code = client.reverse_code = '2';
    client.address = client.server_address = "127.0.0.1";
    client.port = client.server_port = "0";
    return client;
  }
  length = sizeof storage;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &length) ==
      0)
    own = endpoint_of(storage);
  client.address = peer.address;
  client.port = peer.port;
  client.server_address = own.address;
  client.server_port = own.port;
  return client;
}

namespace {

Fd receive_descriptor(int socket) {
  char byte = 0;
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 0) return Fd();
  const cmsghdr* rights = CMSG_FIRSTHDR(&message);
  if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS ||
      rights->cmsg_len != CMSG_LEN(sizeof(int)))
    return Fd();
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
  return Fd(fd);
}

}  // namespace

Task<Fd> passed_descriptor(int socket) {
  Promised<bool> readable;
  const Watch watch(socket, Watch::read, false,
                    [&readable](short) { readable.set(true); });
  const bool in_time = co_await readable.wait(pass_limit);
  if (!in_time) co_return Fd();
  co_return receive_descriptor(socket);
}

void send_without_delay(int socket) {
  const int on = 1;
  // Fails on what is no TCP socket, which needs none.
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Listening::Listening(Listener& listener, const log::Log& log,
                     std::function<bool()> accepts, Arrived arrived)
    : listener_(listener),
      log_(log),
      accepts_(std::move(accepts)),
      arrived_(std::move(arrived)),
      retry_([this] { watch_.enable(); }),
      watch_(listener.socket.get(), Watch::read, false,
             [this](short) { readable(); }) {}

void Listening::readable() {
  for (int i = 0; i < most_at_once && accepts_(); ++i) {
    const int fd = ::accept4(listener_.socket.get(), nullptr, nullptr,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      arrived_(Fd(fd), listener_.type == "pass");
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    log_.warning("accept connection on {}: {}", listener_.name,
                 os::error_text(errno));
    watch_.disable();
    retry_.start(rest);
    return;
  }
}

}  // namespace postern::smtpd
