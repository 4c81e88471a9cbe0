#include "local/biff.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace postern::local {
namespace {

constexpr std::uint16_t comsat_port = 512;  // "biff/udp" in /etc/services

}  // namespace

Biff::Biff() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(comsat_port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (socket_ && ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address),
                           sizeof address) != 0)
    socket_.reset();
}

void Biff::tell(const std::string& user, std::int64_t offset) const {
  if (!socket_) return;
  const std::string text = user + "@" + std::to_string(offset);
  // With the zero byte at its end. An error may be that of the one before.
  for (int attempt = 0; attempt < 2; ++attempt)
    if (::send(socket_.get(), text.c_str(), text.size() + 1,
               MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
      return;
}

}  // namespace postern::local
