// worker: stores messages into one mailbox as its owner, and reads that user's
// forwarding files. Started by master, which has made this process the
// recipient, on behalf of local, which sends the requests over descriptor 3; it
// ends when local closes that link. What it may do is on its command line.
// The code that stores and reads is plain and blocking: store.h, lists.h.
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/ipc/link.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/os/files.h"
#include "common/sandbox/lock.h"
#include "common/service/permit.h"
#include "local/lists.h"
#include "local/store.h"

namespace postern::local {
namespace {

constexpr int link_descriptor = 3;
constexpr int log_descriptor = 4;
// local keeps a worker for seconds; this is for a local that hangs.
constexpr Millis silence{3'600'000};

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

void lock(const Permit& permit, const log::Log& log) {
  sandbox::Places places;
  if (!permit.path.empty())
    places.mailbox = {nearest_directory(store_directory(permit.path))};
  places.forward = list_directories(permit);
  sandbox::Situation situation;
  situation.role = Role::worker;
  situation.paths = sandbox::resolve(Role::worker, places);
  situation.allow_degraded = permit.allow_degraded;
  const Result<sandbox::Applied> applied = sandbox::lock(situation);
  if (!applied)
    log.fatal("this worker cannot be confined as its profile says: " +
              applied.trouble().text);
}

ipc::ListAnswer read(const Permit& permit, const ipc::ListRequest& request) {
  ipc::ListAnswer answer;
  if (Status home = check_home(request.required_directory); !home)
    answer.trouble = ipc::TroubleWire::from(home.trouble());
  else if (!request.include && permit.forward_path.empty())
    answer.trouble = ipc::TroubleWire::from(
        try_later("3.0", "this worker reads no forwarding files"));
  else if (!request.include)
    answer = find_forward(permit, request.names);
  else if (Status named = check_origin(
               permit, request.names,
               {Destination::Kind::include, permit.list});
           !named)
    answer.trouble = ipc::TroubleWire::from(named.trouble());
  else
    answer = read_include(permit);
  return answer;
}

Task<> serve(ipc::Link* link, const Permit* permit) {
  while (link->open() || link->waiting() > 0) {
    std::optional<ipc::Frame> frame = co_await link->next(silence);
    if (!frame) co_return;
    if (const auto message = frame->as<ipc::StoreRequest>())
      link->reply(frame->id, store(*permit, *message));
    else if (const auto list = frame->as<ipc::ListRequest>())
      link->reply(frame->id, read(*permit, *list));
    else
      co_return;
  }
}

}  // namespace
}  // namespace postern::local

int main(int argc, char** argv) {
  using namespace postern;
  const Result<Permit> parsed =
      Permit::parse(std::vector<std::string>(argv + std::min(argc, 1),
                                             argv + argc));
  const Permit permit = parsed ? *parsed : Permit();
  local::open_log(permit);
  const log::Log log(permit.tag);
  if (!parsed) log.fatal(parsed.trouble().text);
  if (!local::is_socket(local::link_descriptor))
    log.fatal("this program is run by master alone, to deliver into a mailbox");
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(077);
  ::tzset();
  Loop loop;
  ipc::Link link(Fd(local::link_descriptor), Role::worker, Role::local,
                 "local");
  local::lock(permit, log);
  Nursery nursery;
  nursery.start(local::serve(&link, &permit));
  loop.run_until([&] { return nursery.empty(); });
  return 0;
}
