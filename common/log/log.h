// The mail log: Postfix's line shapes, to syslog or to a file.
//
// A line is "<date> <host> <syslog_name>/<program>[<pid>]: <text>". Four
// severities with fixed meaning (the prefix of the text says which):
//   info      an event of mail                            (no prefix)
//   warning   someone should look, mail goes on           "warning: "
//   fatal     the operator's or machine's error: the process exits, master
//             restarts it with back-off                   "fatal: "
//   panic     a bug of ours: abort                        "panic: "
//
// A process may speak for several services (cleanup also logs as pickup and
// bounce): each has its own Log with its own tag.
#pragma once

#include <fmt/core.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace postern::log {

enum class Severity { info, warning, error, fatal, panic };

// Where lines go. Process-wide, set at start-up.
struct Destination {
  // Descriptor opened O_APPEND (maillog_file, /dev/stdout), or -1: syslog.
  // Not owned.
  int file = -1;
  // syslog facility name ("mail", "local3", …), used when `file` is -1.
  std::string facility = "mail";
  // Also to standard error, as tools do on a terminal: "sendmail: warning: …".
  bool standard_error = false;
  // Tools without a mail log of their own: connect here (a datagram socket of
  // postlogd) when `file` is -1 and this is not empty.
  std::string postlog_socket;
};
void set_destination(Destination destination);
const Destination& current_destination();

// Tests: receives every line ("tag", severity, text) instead of the above.
using Recorder =
    std::function<void(std::string_view, Severity, std::string_view)>;
void set_recorder(Recorder recorder);

class Log {
 public:
  // `tag` is "postern/smtpd", "postern/submission/smtpd", "sendmail", …
  explicit Log(std::string tag) : tag_(std::move(tag)) {}

  // Control characters in `text` are replaced: a stranger cannot forge lines.
  void info(std::string_view text) const { write(Severity::info, text); }
  void warning(std::string_view text) const { write(Severity::warning, text); }
  void error(std::string_view text) const { write(Severity::error, text); }
  // Logs and exits with status 1.
  [[noreturn]] void fatal(std::string_view text) const;

  template <class First, class... Rest>
  void info(fmt::format_string<First, Rest...> format, First&& first,
            Rest&&... rest) const {
    write(Severity::info, fmt::format(format, std::forward<First>(first),
                                      std::forward<Rest>(rest)...));
  }
  template <class First, class... Rest>
  void warning(fmt::format_string<First, Rest...> format, First&& first,
               Rest&&... rest) const {
    write(Severity::warning, fmt::format(format, std::forward<First>(first),
                                         std::forward<Rest>(rest)...));
  }

  // As the others, with a severity known at run time only; never exits.
  void write(Severity severity, std::string_view text) const;

  const std::string& tag() const { return tag_; }

 private:
  std::string tag_;
};

// The line as written to a file, with its line end (for tests and postlogd).
std::string format_line(std::string_view tag, Severity severity,
                        std::string_view text);

// Formats for a line that came from elsewhere (postlogd): `pid` is the
// sender's.
std::string format_line(std::string_view tag, long pid, Severity severity,
                        std::string_view text);

}  // namespace postern::log
