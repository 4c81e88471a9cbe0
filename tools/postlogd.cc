// postlogd: writes to the log file what tools have to say that may not write
// to it themselves. postlogd(8); log_datagram.h is what they send.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/service/service.h"
#include "tools/log_datagram.h"

using namespace postern;
using namespace postern::tools;

namespace {

constexpr std::size_t longest_line = 65536;
// At a time, so that a flood leaves room for master's word.
constexpr int batch = 200;

void write_line(const Service& service, const LogDatagram& line) {
  const int file = log::current_destination().file;
  if (file < 0) {
    log::Log(line.tag).write(line.severity, line.text);
    return;
  }
  const std::string text =
      log::format_line(line.tag, line.pid, line.severity, line.text);
  if (::write(file, text.data(), text.size()) < 0 && errno == ENOSPC)
    service.log().warning("no space for the log");
}

void take_lines(const Service& service, int socket) {
  static std::string buffer(longest_line, '\0');
  for (int i = 0; i < batch; ++i) {
    iovec space{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &space;
    message.msg_iovlen = 1;
    const ssize_t n = ::recvmsg(socket, &message, MSG_DONTWAIT);
    if (n < 0) return;
    const auto line = parse_log_datagram(
        std::string_view(buffer).substr(0, static_cast<std::size_t>(n)));
    if (line) write_line(service, *line);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Service service(Role::postlogd, argc, argv);
  std::vector<std::unique_ptr<Watch>> watches;
  const auto take_all = [&] {
    for (const Listener& listener : service.listeners())
      take_lines(service, listener.socket.get());
  };
  for (const Listener& listener : service.listeners()) {
    watches.push_back(std::make_unique<Watch>(
        listener.socket.get(), Watch::read, false,
        [&service, fd = listener.socket.get()](short) {
          take_lines(service, fd);
        }));
    watches.back()->enable();
  }
  service.when_drained([&] {
    watches.clear();
    take_all();
    service.finished();
  });
  service.lock();
  return service.run();
}
