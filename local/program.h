// A command at work: started, fed with a message, listened to, ended when its
// time is over. Plain and blocking; runs as whoever the command is to run as.
// Next: runner.cc (what is run, and how the process is confined meanwhile).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/ipc/messages/worker.h"
#include "common/os/fd.h"
#include "local/feed.h"

namespace postern::local {

struct Program {
  // Tried in order: what a later one is for, the one before it does not do.
  std::vector<std::vector<std::string>> argvs;
  std::vector<std::string> environment;
  std::string directory;
  std::string tag;        // of a log line about what went wrong in the child
  std::string prefix;     // of its text where it cannot be executed
  int connection = -1;    // its standard input, output and error
};

// How Postfix runs a command text: without a shell where it has no character
// that needs one. `shell_words`: local_command_shell.
std::vector<std::vector<std::string>> shell_argvs(
    const std::string& command, const std::string& shell_words);

class Running {
 public:
  // The child waits for go(). Trouble: it could not be made.
  static Result<Running> start(const Program& program);
  Running(Running&&) = default;
  Running& operator=(Running&&) = default;
  // Kills what is still there.
  ~Running();

  void go();

  // Until it has ended, at most `limit` milliseconds; `watched` is a socket
  // whose end means that nobody wants to hear. `feed` may be null.
  ipc::RunAnswer see_to_its_end(Feed* feed, std::int64_t limit, int watched);

  pid_t pid() const { return child_.pid; }

 private:
  Running() = default;

  struct Child {
    pid_t pid = -1;
    Child() = default;
    Child(Child&& other) noexcept : pid(std::exchange(other.pid, -1)) {}
    Child& operator=(Child&& other) noexcept {
      pid = std::exchange(other.pid, -1);
      return *this;
    }
  };

  void write_some(Feed* feed, ipc::RunAnswer& answer);
  bool read_some(ipc::RunAnswer& answer);
  void kill_all() const;

  Child child_;
  std::string tag_;
  Fd words_;   // why the child did not become the program
  Fd gate_;    // a byte: go; its end: the runner is gone
  Fd input_;   // to the program
  Fd output_;  // from it
  Fd end_;     // readable when it has ended
  std::string unsent_;
};

}  // namespace postern::local
