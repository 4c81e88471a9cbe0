// postlock: runs a command while a mailbox is locked as the mail system locks
// it. postlock(1).
#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "common/base/text.h"
#include "common/os/files.h"
#include "common/os/mailbox_lock.h"
#include "common/service/tool.h"

using namespace postern;

namespace {

constexpr const char* usage =
    "usage: postlock [-c config_dir] [-l lock_style] [-v] folder command...";

constexpr int held_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

os::LockRules lock_rules(const Tool& tool, const config::Config& config,
                         const std::string& methods) {
  os::LockRules rules;
  for (const std::string& method : split_words(methods)) {
    if (method != "fcntl" && method != "flock" && method != "dotlock")
      tool.fatal(
          fmt::format("unknown mailbox_delivery_lock value \"{}\" in \"{}\"",
                      method, methods));
    rules.methods.push_back(method);
  }
  rules.attempts = config.get<"deliver_lock_attempts">();
  rules.delay = config.get<"deliver_lock_delay">();
  rules.stale = config.get<"stale_lock_time">();
  return rules;
}

// The status to pass on.
int run(const Tool& tool, char** command) {
  const pid_t child = ::fork();
  if (child < 0) tool.fatal("fork: " + os::error_text(errno));
  if (child == 0) {
    for (const int each : held_signals) ::signal(each, SIG_DFL);
    ::execvp(command[0], command);
    std::fprintf(stderr, "%s: fatal: execvp %s: %s\n", tool.name().c_str(),
                 command[0], os::error_text(errno).c_str());
    ::_exit(1);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) tool.fatal("wait: " + os::error_text(errno));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Tool tool(argv[0]);
  argv[0] = const_cast<char*>(tool.name().c_str());  // for getopt
  tool.fail_with(EX_TEMPFAIL);
  std::string methods;
  int option = 0;
  // "+": the command has options of its own.
  while ((option = ::getopt(argc, argv, "+c:l:v")) != -1) {
    if (option == 'c')
      tool.use_directory(optarg);
    else if (option == 'l')
      methods = optarg;
    else if (option == '?')
      tool.fatal(usage);
  }
  if (argc < optind + 2) tool.fatal(usage);
  const std::string folder = argv[optind];
  const config::Config config = tool.load();
  const os::LockRules rules = lock_rules(
      tool, config,
      methods.empty() ? config.get<"mailbox_delivery_lock">() : methods);
  // A dead postlock would leave its lock file behind; the command dies of the
  // same signals and ends us.
  for (const int each : held_signals) ::signal(each, SIG_IGN);

  const std::string opening = "open file " + folder + ": ";
  os::DotLock dot_lock(folder);
  if (rules.has("dotlock")) {
    const Status taken = dot_lock.take(rules);
    if (!taken) tool.fatal(opening + taken.trouble().text);
  }
  int status = EX_TEMPFAIL;
  const Result<Fd> file = os::open_file(
      folder, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY, 0600);
  const Status locked =
      file ? os::lock_file(file->get(), rules) : Status(file.trouble());
  if (locked)
    status = run(tool, argv + optind + 1);
  else
    tool.warning(opening + locked.trouble().text);
  return status;
}
