// runner: runs one command and ends. Started by master, which has made this
// process the user that the command runs as, on behalf of local, which sends
// the message over descriptor 3. What may be run is on the command line
// (common/service/permit.h); local adds the message, the recipient's address
// and, for pipe, arguments.
//
// The command starts before this process is confined, and waits until it is
// (Running::go): its own rights are those of its user.
// Next: program.h.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ipc/link.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/sandbox/lock.h"
#include "common/service/permit.h"
#include "local/lists.h"
#include "local/names.h"
#include "local/program.h"

namespace postern::local {
namespace {

constexpr int link_descriptor = 3;
constexpr int log_descriptor = 4;
constexpr Millis patience{60'000};
constexpr std::int64_t default_limit = 1'000'000;

// What local may put into the environment (local(8)).
constexpr std::string_view variables[] = {
    "USER",        "LOGNAME",         "EXTENSION",
    "DOMAIN",      "LOCAL",           "ORIGINAL_RECIPIENT",
    "RECIPIENT",   "SENDER",          "CLIENT_ADDRESS",
    "CLIENT_HELO", "CLIENT_HOSTNAME", "CLIENT_PROTOCOL",
    "SASL_METHOD", "SASL_SENDER",     "SASL_USERNAME",
};

bool is_socket(int fd) {
  struct stat facts;
  return ::fstat(fd, &facts) == 0 && S_ISSOCK(facts.st_mode);
}

void open_log(const Permit& permit) {
  log::Destination destination;
  destination.facility = permit.facility;
  if (permit.log_file) destination.file = log_descriptor;
  if (!is_socket(link_descriptor)) destination.standard_error = true;
  log::set_destination(destination);
}

std::vector<std::string> environment_of(const Permit& permit,
                                        const ipc::RunRequest& request) {
  std::vector<std::string> all;
  for (char** each = environ; *each != nullptr; ++each) all.emplace_back(*each);
  const auto add = [&](const std::string& name, const std::string& value) {
    std::erase_if(all, [&](const std::string& entry) {
      return entry.starts_with(name + "=");
    });
    all.push_back(name + "=" + filtered(value, permit.environment_filter));
  };
  for (const auto& [name, value] : request.environment)
    if (std::find(std::begin(variables), std::end(variables), name) !=
        std::end(variables))
      add(name, value);
  if (!permit.home.empty()) add("HOME", permit.home);
  if (!permit.shell.empty()) add("SHELL", permit.shell);
  return all;
}

Result<Program> program_of(const Permit& permit,
                           const ipc::RunRequest& request) {
  Program program;
  program.tag = permit.tag;
  program.environment = environment_of(permit, request);
  program.connection = request.connection.get();
  const Result<Expanded> directory =
      expand_names(permit.directory,
                   {request.names, permit.home, permit.shell},
                   permit.directory_filter.empty()
                       ? std::nullopt
                       : std::optional(permit.directory_filter));
  if (!directory)
    return try_later("3.5", "command_execution_directory: " +
                                directory.trouble().text);
  const bool usable = directory->complete && !directory->text.empty();
  program.directory = usable ? directory->text : permit.queue_directory;
  if (!permit.program.empty()) {
    std::vector<std::string> argv = request.arguments;
    argv.insert(argv.begin(), permit.program);
    program.argvs = {std::move(argv)};
    program.prefix = "pipe_command: ";
    return program;
  }
  if (Status named = check_origin(permit, request.names,
                                  {Destination::Kind::command, permit.command});
      !named)
    return named.trouble();
  program.argvs = shell_argvs(permit.command, permit.shell_words);
  return program;
}

void lock(const Permit& permit, const log::Log& log) {
  sandbox::Situation situation;
  situation.role = Role::runner;
  situation.allow_degraded = permit.allow_degraded;
  const Result<sandbox::Applied> applied = sandbox::lock(situation);
  if (!applied)
    log.fatal("this runner cannot be confined as its profile says: " +
              applied.trouble().text);
}

ipc::RunAnswer failed(const Trouble& trouble) {
  ipc::RunAnswer answer;
  answer.trouble = ipc::TroubleWire::from(trouble);
  return answer;
}

ipc::RunAnswer run(const Permit& permit, const log::Log& log,
                   ipc::RunRequest& request) {
  const Result<Program> program = program_of(permit, request);
  if (!program) return failed(program.trouble());
  Result<Running> running = Running::start(*program);
  if (!running) return failed(running.trouble());
  request.connection.reset();
  lock(permit, log);
  running->go();
  std::optional<Feed> feed;
  if (request.message)
    feed.emplace(Content{request.message.get(), request.content_offset,
                         request.content_size},
                 request.headers,
                 FeedRules{request.line_end, request.escape_dots,
                           request.quote_from, request.blank_at_end});
  const std::int64_t limit =
      permit.time_limit > 0 ? permit.time_limit : default_limit;
  return running->see_to_its_end(feed ? &*feed : nullptr, limit,
                                 link_descriptor);
}

Task<> serve(ipc::Link* link, const Permit* permit, const log::Log* log) {
  std::optional<ipc::Frame> frame = co_await link->next(patience);
  if (!frame) co_return;
  std::optional<ipc::RunRequest> request = frame->as<ipc::RunRequest>();
  if (!request) co_return;
  link->reply(frame->id, run(*permit, *log, *request));
  link->flush_now();
}

}  // namespace
}  // namespace postern::local

int main(int argc, char** argv) {
  using namespace postern;
  const Result<Permit> parsed = Permit::parse(
      std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
  const Permit permit = parsed ? *parsed : Permit();
  local::open_log(permit);
  const log::Log log(permit.tag);
  if (!parsed) log.fatal(parsed.trouble().text);
  if (!local::is_socket(local::link_descriptor))
    log.fatal("this program is run by master alone, to run a command for mail");
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(077);
  ::tzset();
  Loop loop;
  ipc::Link link(Fd(local::link_descriptor), Role::runner, Role::local,
                 "local");
  Nursery nursery;
  nursery.start(local::serve(&link, &permit, &log));
  loop.run_until([&] { return nursery.empty(); });
  return 0;
}
