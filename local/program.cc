#include "local/program.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>

#include "common/base/text.h"
#include "common/log/log.h"
#include "common/os/files.h"

namespace postern::local {
namespace {

using Steady = std::chrono::steady_clock;

// How much of what it says is kept.
constexpr std::size_t most_output = 4095;
// After its end or its last word, others may hold its output open.
constexpr int last_words = 1000;

constexpr std::string_view plain =
    "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ \t";

struct Pipe {
  Fd read;
  Fd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return os::system_trouble("pipe", errno);
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> all;
  for (const std::string& each : words)
    all.push_back(const_cast<char*>(each.c_str()));
  all.push_back(nullptr);
  return all;
}

// --- in the child ---

// What the child has of its runner. All else is closed at once: until it is
// another program it is a process of the recipient, who may try to take the log
// or the message from it.
struct Ends {
  int gate = -1;
  int input = -1;
  int output = -1;
  int words = -1;  // why there is no program, for the log
};

void close_all_but(const Ends& ends) {
  int kept[] = {STDERR_FILENO, ends.gate, ends.input, ends.output, ends.words};
  std::sort(std::begin(kept), std::end(kept));
  for (std::size_t i = 0; i < std::size(kept); ++i) {
    const unsigned first = static_cast<unsigned>(kept[i]) + 1;
    const unsigned last = i + 1 < std::size(kept)
                              ? static_cast<unsigned>(kept[i + 1]) - 1
                              : ~0U;
    if (first <= last) ::close_range(first, last, 0);
  }
}

// As the words of a program that ended for good; the message waits.
[[noreturn]] void give_up_child(const Program& program, int words,
                                std::string text, bool as_output) {
  text = "fatal: " + text;
  [[maybe_unused]] const ssize_t told =
      ::write(words, text.data(), text.size());
  if (as_output) {
    const std::string line = os::base_name(program.tag) + ": " + text + "\n";
    [[maybe_unused]] const ssize_t n =
        ::write(STDERR_FILENO, line.data(), line.size());
  }
  ::_exit(EX_TEMPFAIL);
}

void reset_signals() {
  for (int each = 1; each < NSIG; ++each)
    if (each != SIGKILL && each != SIGSTOP) ::signal(each, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void execute(const Program& program, int words) {
  if (!program.directory.empty() && ::chdir(program.directory.c_str()) != 0)
    give_up_child(program, words,
                  "cannot change directory to \"" + program.directory +
                      "\" for uid=" + std::to_string(::geteuid()) +
                      " gid=" + std::to_string(::getegid()) + ": " +
                      os::error_text(errno),
                  false);
  std::vector<char*> environment = pointers(program.environment);
  std::string last;
  for (const std::vector<std::string>& argv : program.argvs) {
    std::vector<char*> all = pointers(argv);
    ::execvpe(all[0], all.data(), environment.data());
    last = program.prefix + "execvp " + argv.front() + ": " + os::error_text(errno);
    if (errno != ENOENT || argv.front().find('/') != std::string::npos) break;
  }
  give_up_child(program, words, last, true);
}

[[noreturn]] void become_program(const Program& program, const Ends& ends) {
  close_all_but(ends);
  // Its own group, which is what gets killed when its time is over.
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  char byte;
  ssize_t got;
  while ((got = ::read(ends.gate, &byte, 1)) < 0 && errno == EINTR) {
  }
  if (got != 1) ::_exit(EX_TEMPFAIL);
  reset_signals();
  ::dup2(ends.input, STDIN_FILENO);
  ::dup2(ends.output, STDOUT_FILENO);
  ::dup2(ends.output, STDERR_FILENO);
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  execute(program, ends.words);
}

}  // namespace

std::vector<std::vector<std::string>> shell_argvs(
    const std::string& command, const std::string& shell_words) {
  if (!shell_words.empty()) {
    std::vector<std::string> argv = split_words(shell_words);
    argv.push_back(command);
    return {std::move(argv)};
  }
  std::vector<std::vector<std::string>> all;
  std::vector<std::string> words = split_words(command, " \t");
  if (command.find_first_not_of(plain) == std::string::npos && !words.empty())
    all.push_back(std::move(words));
  all.push_back({"/bin/sh", "-c", command});
  return all;
}

Result<Running> Running::start(const Program& program) {
  Result<Pipe> gate = make_pipe();
  if (!gate) return gate.trouble();
  Result<Pipe> input = make_pipe();
  if (!input) return input.trouble();
  Result<Pipe> output = make_pipe();
  if (!output) return output.trouble();
  Result<Pipe> words = make_pipe();
  if (!words) return words.trouble();
  Running running;
  running.tag_ = program.tag;
  const bool connected = program.connection >= 0;
  const pid_t pid = ::fork();
  if (pid < 0) return os::system_trouble("fork", errno);
  if (pid == 0) {
    Ends ends;
    ends.gate = gate->read.get();
    ends.input = connected ? program.connection : input->read.get();
    ends.output = connected ? program.connection : output->write.get();
    ends.words = words->write.get();
    become_program(program, ends);
  }
  running.child_.pid = pid;
  running.gate_ = std::move(gate->write);
  running.words_ = std::move(words->read);
  if (!connected) {
    running.input_ = std::move(input->write);
    running.output_ = std::move(output->read);
  }
  running.end_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!running.end_) return os::system_trouble("pidfd_open", errno);
  for (const Fd* each : {&running.input_, &running.output_, &running.words_})
    if (*each)
      if (Status set = os::set_nonblocking(each->get()); !set)
        return set.trouble();
  return running;
}

void Running::go() {
  while (::write(gate_.get(), "", 1) < 0 && errno == EINTR) {
  }
  gate_.reset();
}

Running::~Running() {
  if (child_.pid < 0) return;
  kill_all();
  ::waitpid(child_.pid, nullptr, 0);
}

// The group is that of a child that was not waited for: no other has its
// number. Before setsid() there is none.
void Running::kill_all() const {
  ::kill(-child_.pid, SIGKILL);
  ::kill(child_.pid, SIGKILL);
}

// As much as it takes now. A program that does not want to read it all is no
// failure: its exit status tells.
void Running::write_some(Feed* feed, ipc::RunAnswer& answer) {
  for (;;) {
    if (unsent_.empty()) {
      Result<std::string> more = feed->next();
      if (!more) answer.trouble = ipc::TroubleWire::from(more.trouble());
      if (!more || more->empty()) {
        input_.reset();
        return;
      }
      unsent_ = std::move(*more);
    }
    const ssize_t n = ::write(input_.get(), unsent_.data(), unsent_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      input_.reset();
      return;
    }
    unsent_.erase(0, static_cast<std::size_t>(n));
  }
}

// False at its end.
bool Running::read_some(ipc::RunAnswer& answer) {
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(output_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) return false;
    const std::size_t room = most_output - answer.output.size();
    answer.output.append(buffer, std::min(room, static_cast<std::size_t>(n)));
  }
}

ipc::RunAnswer Running::see_to_its_end(Feed* feed, std::int64_t limit,
                                       int watched) {
  ipc::RunAnswer answer;
  if (feed == nullptr) input_.reset();
  auto deadline = Steady::now() + std::chrono::milliseconds(limit);
  bool ended = false;
  while (!ended || output_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - Steady::now());
    if (left.count() <= 0) {
      if (ended) break;
      answer.timed_out = true;
    }
    pollfd all[] = {{input_.get(), POLLOUT, 0},
                    {output_.get(), POLLIN, 0},
                    {ended ? -1 : end_.get(), POLLIN, 0},
                    {watched, POLLRDHUP, 0}};
    const bool over = answer.timed_out ||
                      (::poll(all, 4, static_cast<int>(std::min<std::int64_t>(
                                          left.count(), 60'000))) > 0 &&
                       (all[3].revents & (POLLRDHUP | POLLHUP)) != 0);
    // Nobody waits for it any more: the message will be tried again.
    if (over || answer.trouble.present) {
      kill_all();
      break;
    }
    if (all[0].revents != 0 && input_) write_some(feed, answer);
    if (all[1].revents != 0 && output_ && !read_some(answer)) output_.reset();
    if (all[2].revents != 0) {
      ended = true;
      input_.reset();
      const auto soon = Steady::now() + std::chrono::milliseconds(last_words);
      deadline = std::min(deadline, soon);
    }
  }
  int status = 0;
  while (::waitpid(child_.pid, &status, 0) < 0 && errno == EINTR) {
  }
  char why[most_output];
  const ssize_t told = ::read(words_.get(), why, sizeof why);
  if (told > 0)
    log::Log(tag_).info(std::string(why, static_cast<std::size_t>(told)));
  // What it has left behind, as processes in its group, goes with it only
  // where its time was over.
  child_.pid = -1;
  answer.status = status;
  return answer;
}

}  // namespace postern::local
