#include "smtpd/proxy_reader.h"

#include <sys/socket.h>

#include <cerrno>
#include <optional>

#include "smtpd/command_line.h"

namespace postern::smtpd {
namespace {

ssize_t receive(int socket, char* data, std::size_t size, int flags) {
  for (;;) {
    const ssize_t n = ::recv(socket, data, size, flags);
    if (n >= 0 || errno != EINTR) return n;
  }
}

ProxyHeader failed(const char* problem) {
  ProxyHeader header;
  header.state = ProxyHeader::State::bad;
  header.problem = problem;
  return header;
}

// What has come so far; `have` is what was taken off before. Takes off what
// belongs to the header.
ProxyHeader advance(int socket, std::string* have) {
  char buffer[longest_proxy_header];
  const ssize_t peeked = receive(socket, buffer, sizeof buffer, MSG_PEEK);
  if (peeked == 0) return failed("lost connection");
  if (peeked < 0)
    return errno == EAGAIN ? ProxyHeader() : failed("lost connection");
  const std::size_t before = have->size();
  have->append(buffer, static_cast<std::size_t>(peeked));
  ProxyHeader header = parse_proxy_header(*have);
  if (header.state == ProxyHeader::State::bad) return header;
  const std::size_t take = header.state == ProxyHeader::State::done
                               ? header.size - before
                               : static_cast<std::size_t>(peeked);
  if (receive(socket, buffer, take, 0) != static_cast<ssize_t>(take))
    return failed("lost connection");
  return header;
}

}  // namespace

Task<ProxyHeader> read_proxy_header(int socket, Millis limit) {
  const Clock::time_point end = Clock::now() + limit;
  std::string have;
  for (;;) {
    ProxyHeader header = advance(socket, &have);
    if (header.state != ProxyHeader::State::more) co_return std::move(header);
    const auto left =
        std::chrono::duration_cast<Millis>(end - Clock::now());
    Promised<bool> readable;
    const Watch watch(socket, Watch::read, false,
                      [&readable](short) { readable.set(true); });
    const bool in_time = co_await readable.wait(std::max(left, Millis(0)));
    if (!in_time) co_return failed("time limit exceeded");
  }
}

void apply(const ProxyHeader& header, access::Client* client) {
  if (header.local) return;
  *client = access::Client();
  client->address = header.client_address;
  client->port = header.client_port;
  client->server_address = header.server_address;
  client->server_port = header.server_port;
}

std::string unread(int socket) {
  char buffer[100];
  const ssize_t n = receive(socket, buffer, sizeof buffer, MSG_PEEK);
  if (n <= 0) return "";
  return escaped(std::string_view(buffer, static_cast<std::size_t>(n)));
}

void drop_input(int socket) {
  char buffer[4096];
  for (int i = 0; i < 64; ++i)
    if (receive(socket, buffer, sizeof buffer, MSG_DONTWAIT) <= 0) return;
}

}  // namespace postern::smtpd
