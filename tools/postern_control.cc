// Starting, stopping and telling the running master.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "common/base/text.h"
#include "common/config/master_table.h"
#include "common/loop/connect.h"
#include "common/os/files.h"
#include "common/service/instance.h"
#include "common/service/places.h"
#include "tools/postern_suite.h"

namespace postern::tools {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds longest_stop{60};
constexpr seconds longest_abort{10};

std::optional<pid_t> master_of(const Suite& suite) {
  const Result<std::optional<pid_t>> running = running_master(suite.config);
  if (!running) suite.log.fatal(running.trouble().text);
  return *running;
}

pid_t master_or_fatal(const Suite& suite) {
  const std::optional<pid_t> pid = master_of(suite);
  if (!pid) suite.log.fatal("the Postern mail system is not running");
  return *pid;
}

void send_signal(const Suite& suite, pid_t pid, int number) {
  if (suite.verbose)
    suite.log.info("sending signal {} to process {}", number, pid);
  if (::kill(pid, number) != 0)
    suite.log.fatal(
        os::system_trouble("signal process " + std::to_string(pid), errno)
            .text);
}

// The lock on the pid file goes with master's last breath.
bool gone_within(const Suite& suite, seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end) {
    if (!master_of(suite)) return true;
    std::this_thread::sleep_for(milliseconds(20));
  }
  return !master_of(suite);
}

// What would keep the new configuration from being taken.
void refuse_bad_configuration(const Suite& suite) {
  if (Status valid = suite.config.validate(); !valid)
    suite.log.fatal(valid.trouble().text);
  const Result<config::MasterTable> table =
      config::MasterTable::load(suite.directory);
  if (!table) suite.log.fatal(table.trouble().text);
}

std::string master_program(const Suite& suite) {
  return daemon_directory_of(suite.config) + "/master";
}

[[noreturn]] void execute(const Suite& suite,
                          std::vector<std::string> arguments) {
  if (suite.verbose) suite.log.info("executing " + join(arguments, " "));
  std::vector<char*> pointers;
  for (std::string& each : arguments) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  ::execv(arguments[0].c_str(), pointers.data());
  suite.log.fatal(os::system_trouble("execute " + arguments[0], errno).text);
}

int wait_for(pid_t child) {
  int result = 0;
  while (::waitpid(child, &result, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(result) ? WEXITSTATUS(result) : 1;
}

int run_program(const Suite& suite, std::vector<std::string> arguments) {
  const pid_t child = ::fork();
  if (child < 0) suite.log.fatal(os::system_trouble("fork", errno).text);
  if (child == 0) execute(suite, std::move(arguments));
  return wait_for(child);
}

void before_start(const Suite& suite) {
  if (const std::optional<pid_t> pid = master_of(suite))
    suite.log.fatal("the Postern mail system is already running: PID: " +
                    std::to_string(*pid));
  refuse_bad_configuration(suite);
  suite.log.info("starting the Postern mail system");
  if (suite.as_root) return;
  suite.log.warning("not started by root: every process runs as the user who "
                    "starts it, and mailboxes of others cannot be written");
}

std::string date_suffix(const std::string& format) {
  const time_t now = ::time(nullptr);
  tm parts;
  ::localtime_r(&now, &parts);
  char text[128];
  const std::size_t size =
      ::strftime(text, sizeof text, format.c_str(), &parts);
  return std::string(text, size);
}

}  // namespace

Suite open_suite(const std::string& directory) {
  Suite suite;
  suite.as_root = ::geteuid() == 0;
  suite.directory = directory;
  log::Destination destination;
  destination.standard_error = true;
  log::set_destination(destination);
  Result<config::Config> config = config::Config::load(directory);
  if (!config) suite.log.fatal(config.trouble().text);
  suite.config = std::move(*config);
  suite.log =
      log::Log(suite.config.get<"syslog_name">() + "/postern-script");
  destination.facility = suite.config.get<"syslog_facility">();
  const std::string path = suite.config.get<"maillog_file">();
  if (path.starts_with("/dev/std")) {
    // The terminal gets every line anyway.
    destination.file = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  } else if (!path.empty()) {
    suite.log_file = Fd(::open(path.c_str(),
                               O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
                               0600));
    destination.file = suite.log_file.get();
  }
  log::set_destination(destination);
  return suite;
}

int start(Suite& suite) {
  before_start(suite);
  return run_program(suite, {master_program(suite), "-c", suite.directory});
}

int start_foreground(Suite& suite) {
  before_start(suite);
  execute(suite, {master_program(suite), "-c", suite.directory, "-d"});
}

int stop(Suite& suite) {
  const pid_t pid = master_or_fatal(suite);
  suite.log.info("stopping the Postern mail system");
  send_signal(suite, pid, SIGTERM);
  if (gone_within(suite, longest_stop)) return 0;
  suite.log.warning("it has not stopped within a minute and is ended by force");
  return abort(suite);
}

int abort(Suite& suite) {
  const pid_t pid = master_or_fatal(suite);
  suite.log.info("aborting the Postern mail system");
  send_signal(suite, pid, SIGQUIT);
  if (gone_within(suite, longest_abort)) return 0;
  // Daemons end when master is gone.
  send_signal(suite, pid, SIGKILL);
  return gone_within(suite, longest_abort) ? 0 : 1;
}

int reload(Suite& suite) {
  const pid_t pid = master_or_fatal(suite);
  refuse_bad_configuration(suite);
  suite.log.info("refreshing the Postern mail system");
  send_signal(suite, pid, SIGHUP);
  return 0;
}

// The queue manager takes commands by line.
int flush(Suite& suite) {
  master_or_fatal(suite);
  const std::string path = suite.config.get<"queue_directory">() + "/public/" +
                           suite.config.get<"queue_service_name">();
  suite.log.info("attempting to flush the Postern queue");
  const Result<SocketAddress> address = SocketAddress::unix_path(path);
  if (!address) suite.log.fatal(address.trouble().text);
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), address->get(), address->length) != 0)
    suite.log.fatal(os::system_trouble("connect to " + path, errno).text);
  const timeval limit{60, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (Status sent = os::write_all(socket.get(), "flush\n", path); !sent)
    suite.log.fatal(sent.trouble().text);
  char answer[64];
  const ssize_t size = ::read(socket.get(), answer, sizeof answer);
  if (size < 0 || !std::string_view(answer, static_cast<std::size_t>(size))
                       .starts_with("ok"))
    suite.log.fatal("the queue manager did not take the request");
  return 0;
}

int status(Suite& suite) {
  const std::optional<pid_t> pid = master_of(suite);
  if (pid)
    suite.log.info("the Postern mail system is running: PID: " +
                   std::to_string(*pid));
  else
    suite.log.info("the Postern mail system is not running");
  return pid ? 0 : 1;
}

int rotate_log(Suite& suite) {
  const std::string path = suite.config.get<"maillog_file">();
  if (path.empty() || path.starts_with("/dev/"))
    suite.log.fatal("there is no log file to rotate: maillog_file is \"" +
                    path + "\"");
  const pid_t pid = master_or_fatal(suite);
  refuse_bad_configuration(suite);
  const std::string aside =
      path + "." +
      date_suffix(suite.config.raw("maillog_file_rotate_suffix"));
  if (os::exists(aside)) suite.log.fatal(aside + " is there already");
  if (::rename(path.c_str(), aside.c_str()) != 0)
    suite.log.fatal(os::system_trouble("rename " + path, errno).text);
  send_signal(suite, pid, SIGHUP);
  // The new file tells that master has let go of the old one; processes of
  // before may still add the ends of their sessions to that.
  const auto end = std::chrono::steady_clock::now() + seconds(10);
  while (!os::exists(path)) {
    if (std::chrono::steady_clock::now() > end)
      suite.log.fatal("master has not opened a new " + path);
    std::this_thread::sleep_for(milliseconds(20));
  }
  std::this_thread::sleep_for(seconds(1));
  const std::string compressor =
      suite.config.get<"maillog_file_compressor">();
  if (compressor.empty()) return 0;
  return run_program(suite, {"/usr/bin/env", compressor, aside});
}

}  // namespace postern::tools
