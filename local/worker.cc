// worker: stores messages into one mailbox as its owner. Started by master,
// which has made this process the recipient, on behalf of local, which sends
// the requests over descriptor 3; it ends when local closes that link.
// The code that stores is plain and blocking: store.h.
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <string>

#include "common/ipc/link.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/os/files.h"
#include "common/sandbox/lock.h"
#include "local/store.h"

namespace postern::local {
namespace {

constexpr int link_descriptor = 3;
constexpr int log_descriptor = 4;
// local keeps a worker for seconds; this is for a local that hangs.
constexpr Millis silence{3'600'000};

struct Arguments {
  std::string directory;
  std::string tag = "postern/worker";
  std::string facility = "mail";
  bool log_file = false;
  bool allow_degraded = false;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int c; (c = ::getopt(argc, argv, "d:t:f:lg")) >= 0;) {
    if (c == 'd') arguments.directory = optarg;
    if (c == 't') arguments.tag = optarg;
    if (c == 'f') arguments.facility = optarg;
    if (c == 'l') arguments.log_file = true;
    if (c == 'g') arguments.allow_degraded = true;
  }
  return arguments;
}

bool is_socket(int fd) {
  struct stat facts;
  return ::fstat(fd, &facts) == 0 && S_ISSOCK(facts.st_mode);
}

void open_log(const Arguments& arguments) {
  log::Destination destination;
  destination.facility = arguments.facility;
  if (arguments.log_file) destination.file = log_descriptor;
  if (!is_socket(link_descriptor)) destination.standard_error = true;
  log::set_destination(destination);
}

void lock(const Arguments& arguments, const log::Log& log) {
  sandbox::Places places;
  places.mailbox = {nearest_directory(arguments.directory)};
  sandbox::Situation situation;
  situation.role = Role::worker;
  situation.paths = sandbox::resolve(Role::worker, places);
  situation.allow_degraded = arguments.allow_degraded;
  const Result<sandbox::Applied> applied = sandbox::lock(situation);
  if (!applied)
    log.fatal("this worker cannot be confined as its profile says: " +
              applied.trouble().text);
}

Task<> serve(ipc::Link* link) {
  while (link->open() || link->waiting() > 0) {
    std::optional<ipc::Frame> frame = co_await link->next(silence);
    if (!frame) co_return;
    const std::optional<ipc::StoreRequest> request =
        frame->as<ipc::StoreRequest>();
    if (!request) co_return;
    link->reply(frame->id, store(*request));
  }
}

}  // namespace
}  // namespace postern::local

int main(int argc, char** argv) {
  using namespace postern;
  const local::Arguments arguments = local::parse(argc, argv);
  local::open_log(arguments);
  const log::Log log(arguments.tag);
  if (!local::is_socket(local::link_descriptor) || arguments.directory.empty())
    log.fatal("this program is run by master alone, to deliver into a mailbox");
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(077);
  ::tzset();
  Loop loop;
  ipc::Link link(Fd(local::link_descriptor), Role::worker, Role::local,
                 "local");
  local::lock(arguments, log);
  Nursery nursery;
  nursery.start(local::serve(&link));
  loop.run_until([&] { return nursery.empty(); });
  return 0;
}
