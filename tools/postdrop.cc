// postdrop: writes one submission, read as records from standard input, to
// maildrop. Set-gid, so that nobody else need be allowed to. postdrop(1);
// records.h is what it reads.
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include "common/os/files.h"
#include "common/queue/maildrop.h"
#include "tools/caller.h"
#include "tools/named_socket.h"
#include "tools/sender_permission.h"
#include "tools/spool_options.h"
#include "tools/submission.h"

using namespace postern;
using namespace postern::tools;

namespace {

volatile sig_atomic_t interrupted = 0;
sigset_t while_reading;

void note_interrupt(int) { interrupted = 1; }

// Signals arrive only where the next bytes are awaited: anywhere else the file
// in maildrop is either finished or removed.
void hold_signals() {
  sigset_t held;
  ::sigemptyset(&held);
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  ::sigprocmask(SIG_BLOCK, nullptr, &while_reading);
  for (const int each : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM}) {
    struct sigaction old {};
    ::sigaction(each, nullptr, &old);
    // Whoever started us under nohup means it.
    if (each == SIGHUP && old.sa_handler == SIG_IGN) continue;
    ::sigaction(each, &action, nullptr);
    ::sigaddset(&held, each);
    ::sigdelset(&while_reading, each);
  }
  ::sigprocmask(SIG_BLOCK, &held, nullptr);
}

Result<std::string> read_input() {
  for (;;) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const int ready = ::ppoll(&input, 1, nullptr, &while_reading);
    if (interrupted) return give_up("0.0", "interrupted");
    if (ready < 0 && errno != EINTR)
      return os::system_trouble("wait for input", errno);
    if (ready <= 0) continue;
    char buffer[65536];
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n >= 0) return std::string(buffer, static_cast<std::size_t>(n));
    if (errno != EINTR && errno != EAGAIN)
      return os::system_trouble("read input", errno);
  }
}

// The answer that sendmail reads. Nothing is said of what nobody asked for.
int answer(const Tool& tool, const SubmissionReader& reader,
           const Result<std::string>& id) {
  if (id) {
    std::printf("queued %s\n", id->c_str());
    return std::fflush(stdout) == 0 ? 0 : 1;
  }
  if (reader.called_off()) return 0;
  const Trouble& trouble = id.trouble();
  std::printf("refused %s %s\n", trouble.status().c_str(),
              trouble.text.c_str());
  std::fflush(stdout);
  // That a sender is not allowed, sendmail tells the user.
  if (trouble.status() != "5.7.1")
    tool.warning(fmt::format("uid={}: {}", ::getuid(), trouble.text));
  return 1;
}

Result<std::string> drop(const config::Config& config,
                         SubmissionReader& reader) {
  Result<std::optional<queue::Envelope>> head = reader.head();
  if (!head) return head.trouble();
  if (!*head) return give_up("0.0", "called off");
  queue::Envelope envelope = std::move(**head);
  const Status allowed = check_sender(config, envelope.sender);
  if (!allowed) return allowed.trouble();
  queue::Spool spool(spool_options(config));
  return queue::write_maildrop(spool, envelope,
                               [&] { return reader.content(envelope); });
}

}  // namespace

int main(int argc, char** argv) {
  settle_in();
  Tool tool(argv[0]);
  argv[0] = const_cast<char*>(tool.name().c_str());  // for getopt
  int option = 0;
  while ((option = ::getopt(argc, argv, "c:rv")) != -1) {
    if (option == 'c')
      tool.use_directory(optarg);
    else if (option == '?')
      tool.fatal("usage: postdrop [-c config_dir] [-r] [-v]");
  }
  if (optind < argc) tool.fatal("usage: postdrop [-c config_dir] [-r] [-v]");
  const config::Config config = tool.load_and_log();
  clean_environment(config);
  require_authorised(tool, config, "authorized_submit_users", "submit mail");
  hold_signals();

  SubmissionReader reader(read_input,
                          config.get<"message_size_limit">());
  const Result<std::string> id = drop(config, reader);
  // When nobody listens it waits in maildrop.
  if (id) {
    [[maybe_unused]] const Status woken =
        poke(config.get<"queue_directory">() + "/public/" +
             config.get<"pickup_service_name">());
  }
  return answer(tool, reader, id);
}
