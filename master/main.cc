// master: binds, starts, links, watches. The only one that holds root.
//   master -c DIRECTORY [-d]
// Started by postern(1). Without -d it goes into the background once its
// sockets are bound. Next: supervisor.h.
#include <fcntl.h>
#include <getopt.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "common/base/text.h"
#include "common/os/files.h"
#include "common/service/directories.h"
#include "common/service/instance.h"
#include "master/environment.h"
#include "master/generation.h"
#include "master/listeners.h"
#include "master/notify.h"
#include "master/spawn.h"
#include "master/supervisor.h"

using namespace postern;
using namespace postern::master;

namespace {

const log::Log start_log("postern/master");

Options read_options(int argc, char** argv) {
  Options options;
  const char* from_environment = ::getenv("MAIL_CONFIG");
  options.directory =
      from_environment == nullptr ? "/etc/postern" : from_environment;
  int option;
  while ((option = ::getopt(argc, argv, "c:d")) != -1) {
    if (option == 'c') options.directory = optarg;
    if (option == 'd') options.foreground = true;
    if (option == '?') {
      start_log.fatal("usage: master [-c config_directory] [-d]");
    }
  }
  options.as_root = ::geteuid() == 0;
  return options;
}

// Thousands of connections need descriptors; each process has its own count.
void raise_descriptor_limit() {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void set_log(const Generation& generation, bool standard_error) {
  log::Destination destination;
  destination.file = generation.log_file.get();
  destination.facility = generation.config.get<"syslog_facility">();
  destination.standard_error = standard_error;
  log::set_destination(destination);
}

template <class T>
T or_fatal(Result<T> result) {
  if (!result) start_log.fatal(result.trouble().text);
  return std::move(*result);
}
void or_fatal(const Status& status) {
  if (!status) start_log.fatal(status.trouble().text);
}

void make_directories(const config::Config& config, bool as_root) {
  for (const WantedDirectory& each :
       or_fatal(wanted_directories(config, as_root)))
    or_fatal(make_if_missing(each));
  const std::string queue = config.get<"queue_directory">();
  if (::chdir(queue.c_str()) != 0)
    or_fatal(Status(os::system_trouble("change directory to " + queue, errno)));
}

// In the background: the caller's process waits until `started` says so, and
// ends with status 0, or with 1 when the new process ended before.
Fd into_background() {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0)
    or_fatal(Status(os::system_trouble("pipe", errno)));
  Fd reader(pipe[0]);
  Fd writer(pipe[1]);
  const pid_t pid = ::fork();
  if (pid < 0) or_fatal(Status(os::system_trouble("fork", errno)));
  if (pid == 0) {
    ::setsid();
    return writer;
  }
  writer.reset();
  char byte = 0;
  ssize_t got;
  do {
    got = ::read(reader.get(), &byte, 1);
  } while (got < 0 && errno == EINTR);
  ::_exit(got == 1 ? 0 : 1);
}

void close_standard_streams() {
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int each = 0; each <= 2; ++each) ::dup2(null.get(), each);
}

void refuse_standard_output(const config::Config& config, bool foreground) {
  const std::string path = config.get<"maillog_file">();
  if (!foreground && path.starts_with("/dev/std"))
    start_log.fatal("to log to " + path +
                    ", start the mail system with \"postern start-fg\"");
}

}  // namespace

int main(int argc, char** argv) {
  reserve_descriptors();
  ::umask(077);
  log::Destination terminal;
  terminal.standard_error = true;
  log::set_destination(terminal);

  Options options = read_options(argc, argv);
  Generation generation =
      or_fatal(load_generation(options.directory, options.as_root));
  set_log(generation, true);
  refuse_standard_output(generation.config, options.foreground);
  make_directories(generation.config, options.as_root);
  const Instance instance = or_fatal(Instance::claim(generation.config));
  raise_descriptor_limit();
  Listeners listeners;
  or_fatal(listeners.update(listening_rows(generation.plan),
                            generation.config));
  options.environment = clean_environment(
      split_words(generation.config.get<"import_environment">()),
      own_environment(), options.directory);
  const Notifier notifier;

  Fd started;
  if (!options.foreground) started = into_background();
  or_fatal(instance.sign());
  if (!options.foreground) close_standard_streams();
  set_log(generation, false);
  Supervisor supervisor(std::move(options), std::move(generation),
                        std::move(listeners), notifier);
  supervisor.start();
  if (started) or_fatal(os::write_all(started.get(), "+", "pipe"));
  started.reset();
  supervisor.run();
  return 0;
}
