#include "common/log/log.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "common/base/panic.h"
#include "common/base/text.h"
#include "common/os/fd.h"

namespace postern::log {
namespace {

Destination destination;
Recorder recorder;

std::string_view prefix_of(Severity severity) {
  switch (severity) {
    case Severity::info: return "";
    case Severity::warning: return "warning: ";
    case Severity::error: return "error: ";
    case Severity::fatal: return "fatal: ";
    case Severity::panic: return "panic: ";
  }
  return "";
}

// RFC 5424 table 2.
int syslog_severity(Severity severity) {
  switch (severity) {
    case Severity::info: return 6;
    case Severity::warning: return 4;
    case Severity::error: return 3;
    case Severity::fatal: return 2;
    case Severity::panic: return 2;
  }
  return 6;
}

// RFC 5424 table 1; the names are those of syslog.conf(5).
int syslog_facility(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, int>, 20> names = {{
      {"kern", 0},    {"user", 1},    {"mail", 2},    {"daemon", 3},
      {"auth", 4},    {"syslog", 5},  {"lpr", 6},     {"news", 7},
      {"uucp", 8},    {"cron", 9},    {"authpriv", 10}, {"ftp", 11},
      {"local0", 16}, {"local1", 17}, {"local2", 18}, {"local3", 19},
      {"local4", 20}, {"local5", 21}, {"local6", 22}, {"local7", 23},
  }};
  for (const auto& [known, number] : names)
    if (known == name) return number;
  return 2;
}

std::string host_name() {
  char buffer[256] = "";
  ::gethostname(buffer, sizeof buffer - 1);
  std::string name = buffer;
  return name.substr(0, name.find('.'));
}

std::string date() {
  const time_t now = ::time(nullptr);
  tm parts;
  ::localtime_r(&now, &parts);
  char buffer[32];
  ::strftime(buffer, sizeof buffer, "%b %e %H:%M:%S", &parts);
  return buffer;
}

// Unconnected, so that a restarted log daemon is found again without a new
// socket: a confined process could not make one.
int datagram_socket() {
  static const Fd socket(
      ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return socket.get();
}

bool send_datagram(const std::string& path, std::string_view text) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  return ::sendto(datagram_socket(), text.data(), text.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address),
                  sizeof address) >= 0;
}

void to_syslog(std::string_view tag, Severity severity,
               std::string_view text) {
  const int priority =
      syslog_facility(destination.facility) * 8 + syslog_severity(severity);
  const std::string packet =
      fmt::format("<{}>{} {}[{}]: {}{}", priority, date(), tag, ::getpid(),
                  prefix_of(severity), text);
  send_datagram("/dev/log", packet);
}

void write_line(std::string_view tag, Severity severity,
                std::string_view raw) {
  const std::string text = printable_utf8(raw);
  if (recorder) {
    recorder(tag, severity, text);
    return;
  }
  if (destination.file >= 0) {
    const std::string line = format_line(tag, severity, text);
    // One write per line: O_APPEND keeps lines of many processes whole.
    [[maybe_unused]] const ssize_t n =
        ::write(destination.file, line.data(), line.size());
  } else if (!destination.postlog_socket.empty()) {
    const std::string packet =
        fmt::format("{} {} {} {}", static_cast<int>(severity), ::getpid(),
                    tag, text);
    if (!send_datagram(destination.postlog_socket, packet) &&
        !destination.standard_error)
      to_syslog(tag, severity, text);
  } else {
    to_syslog(tag, severity, text);
  }
  if (destination.standard_error) {
    const std::string_view program =
        tag.substr(tag.rfind('/') == std::string_view::npos
                       ? 0
                       : tag.rfind('/') + 1);
    const std::string line =
        fmt::format("{}: {}{}\n", program, prefix_of(severity), text);
    [[maybe_unused]] const ssize_t n =
        ::write(STDERR_FILENO, line.data(), line.size());
  }
}

}  // namespace

const Destination& current_destination() { return destination; }

void set_destination(Destination chosen) {
  destination = std::move(chosen);
  // Made now: later the process may not make sockets.
  if (destination.file < 0) datagram_socket();
  set_panic_hook([](std::string_view message) {
    write_line("postern", Severity::panic, message);
  });
}

void set_recorder(Recorder chosen) { recorder = std::move(chosen); }

std::string format_line(std::string_view tag, long pid, Severity severity,
                        std::string_view text) {
  static const std::string host = host_name();
  return fmt::format("{} {} {}[{}]: {}{}\n", date(), host, tag, pid,
                     prefix_of(severity), text);
}

std::string format_line(std::string_view tag, Severity severity,
                        std::string_view text) {
  return format_line(tag, ::getpid(), severity, text);
}

void Log::write(Severity severity, std::string_view text) const {
  write_line(tag_, severity, text);
}

void Log::fatal(std::string_view text) const {
  write(Severity::fatal, text);
  std::exit(1);
}

}  // namespace postern::log
