#include "tools/password_input.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "common/credentials/digest.h"
#include "common/os/fd.h"
#include "common/os/files.h"

namespace postern::tools {
namespace {

constexpr std::size_t longest = 1024;

// Echo is off while it lives.
class Silence {
 public:
  explicit Silence(int terminal) : terminal_(terminal) {
    if (::tcgetattr(terminal_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = ::tcsetattr(terminal_, TCSAFLUSH, &quiet) == 0;
  }
  ~Silence() {
    if (changed_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  bool changed() const { return changed_; }

 private:
  int terminal_;
  termios before_{};
  bool changed_ = false;
};

// A line without its end, byte by byte: what follows is somebody else's.
Result<std::string> read_line(int fd) {
  std::string line;
  for (;;) {
    char c = '\0';
    const ssize_t count = ::read(fd, &c, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return os::system_trouble("read the password", errno);
    if (count == 0 && line.empty())
      return give_up("0.0", "there is no password on the standard input");
    if (count == 0 || c == '\n') return line;
    line += c;
    if (line.size() > longest)
      return give_up("0.0", "a password may have 1024 bytes at most");
  }
}

Result<std::string> ask(int terminal, const std::string& prompt) {
  if (Status said = os::write_all(terminal, prompt, "the terminal"); !said)
    return said.trouble();
  Result<std::string> line = read_line(terminal);
  if (Status said = os::write_all(terminal, "\n", "the terminal"); !said)
    return said.trouble();
  return line;
}

Result<std::string> ask_twice(const std::string& user) {
  const Result<Fd> terminal = os::open_file("/dev/tty", O_RDWR | O_NOCTTY);
  if (!terminal) return terminal.trouble();
  const Silence silence(terminal->get());
  if (!silence.changed())
    return give_up("0.0", "the terminal's echo cannot be switched off");
  Result<std::string> first =
      ask(terminal->get(), "New password for " + user + ": ");
  if (!first) return first;
  Result<std::string> second = ask(terminal->get(), "The same again: ");
  if (!second) return second;
  const bool equal = credentials::same(*first, *second);
  credentials::wipe(*second);
  if (!equal) return give_up("0.0", "the two passwords differ");
  return first;
}

}  // namespace

Result<std::string> read_new_password(const std::string& user) {
  Result<std::string> password =
      ::isatty(STDIN_FILENO) == 1 ? ask_twice(user) : read_line(STDIN_FILENO);
  if (!password) return password;
  if (password->ends_with('\r')) password->pop_back();
  if (password->empty()) return give_up("0.0", "a password may not be empty");
  for (const char c : *password)
    if ((c >= 0 && c < ' ') || c == 0x7f)
      return give_up("0.0", "a password may not have control characters");
  return password;
}

}  // namespace postern::tools
