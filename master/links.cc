// Links between processes, and workers.
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/ipc/contract.h"
#include "common/os/files.h"
#include "master/spawn.h"
#include "master/supervisor.h"

namespace postern::master {
namespace {

// How long an asker waits for a service that is held back.
constexpr Seconds patience{10};

struct Pair {
  Fd first;
  Fd second;
};

Result<Pair> make_pair() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return os::system_trouble("socketpair", errno);
  return Pair{Fd(pair[0]), Fd(pair[1])};
}

}  // namespace

void Supervisor::refuse(Process& asker, std::uint32_t question,
                        const Trouble& trouble) {
  ipc::LinkAnswer answer;
  answer.trouble = ipc::TroubleWire::from(trouble);
  asker.control->reply(question, answer);
}

void Supervisor::link_asked(Process& asker, std::uint32_t question,
                            const ipc::LinkRequest& request) {
  const auto served = generation_.plan.serves.find(request.service);
  UnitState* state = served == generation_.plan.serves.end()
                         ? nullptr
                         : state_of(served->second);
  if (state == nullptr) {
    refuse(asker, question,
           try_later("3.0", "there is no service " + request.service));
    return;
  }
  if (!ipc::may_link(asker.role, state->unit.role)) {
    log_.warning("{} (pid {}) asked for a link to {}, which is not its to have",
                 asker.program, asker.pid, request.service);
    refuse(asker, question,
           give_up("3.0", "no link to service " + request.service));
    return;
  }
  start_unit(*state);
  if (!state->active.empty()) {
    connect(asker, question, *state, request.service);
    return;
  }
  if (stage_ >= 0) {
    refuse(asker, question, try_later("3.2", "the mail system is stopping"));
    return;
  }
  state->waiting.push_back(
      {asker.serial, question, request.service, Clock::now() + patience});
  keep_sweeping();
}

void Supervisor::connect(Process& asker, std::uint32_t question,
                         UnitState& state, const std::string& target) {
  Result<Pair> pair = make_pair();
  if (!pair) {
    refuse(asker, question, pair.trouble());
    return;
  }
  ipc::LinkArrival arrival;
  arrival.role = name_of(asker.role);
  arrival.service = asker.service;
  arrival.target = target;
  arrival.socket = std::move(pair->first);
  state.active.front()->control->send(arrival);
  ipc::LinkAnswer answer;
  answer.peer_role = name_of(state.unit.role);
  answer.socket = std::move(pair->second);
  asker.control->reply(question, answer);
}

void Supervisor::serve_waiting(UnitState& state) {
  const std::vector<Waiting> waiting = std::exchange(state.waiting, {});
  for (const Waiting& each : waiting)
    if (Process* asker = process_by(each.asker))
      connect(*asker, each.question, state, each.target);
}

void Supervisor::expire_waiting(UnitState& state) {
  const Clock::time_point now = Clock::now();
  std::erase_if(state.waiting, [&](const Waiting& each) {
    if (each.deadline > now) return false;
    if (Process* asker = process_by(each.asker))
      refuse(*asker, each.question,
             try_later("3.0", "service " + each.target +
                                  " cannot be started now"));
    return true;
  });
}

// --- workers ---

// A process that was taken over must not get at the suite's own files by way
// of a worker.
Status Supervisor::check_worker(const Identity& identity) const {
  if (!generation_.identities) return {};
  for (const auto& [which, each] : generation_.identities->of_class)
    if (each.uid == identity.uid)
      return give_up("2.0", "user " + each.user +
                                " belongs to the mail system and has no "
                                "mailbox; give it an alias");
  return {};
}

Result<ipc::LinkAnswer> Supervisor::start_worker(
    const Process& asker, const ipc::WorkerRequest& request) {
  if (!request.directory.starts_with('/'))
    return give_up("3.0", "a worker without a directory was asked for");
  Child child;
  child.role = Role::worker;
  child.executable = generation_.program(Role::worker);
  if (options_.as_root) {
    Result<Identity> identity = worker_identity(
        request, generation_.config.get<"mail_spool_directory">());
    if (!identity) return identity.trouble();
    if (Status allowed = check_worker(*identity); !allowed)
      return allowed.trouble();
    child.identity = std::move(*identity);
  }
  Result<Pair> pair = make_pair();
  if (!pair) return pair.trouble();
  child.arguments = {"worker", "-d", request.directory, "-t", asker.tag, "-f",
                     generation_.config.get<"syslog_facility">()};
  if (generation_.log_file) {
    child.arguments.push_back("-l");
    child.log_file = generation_.log_file.get();
  }
  if (generation_.config.get<"allow_degraded_isolation">())
    child.arguments.push_back("-g");
  child.environment = options_.environment;
  child.control = pair->first.get();
  child.keep_output = options_.foreground;
  const Result<pid_t> pid = spawn(child, log_);
  if (!pid) return pid.trouble();
  workers_[*pid] = request.directory;
  ipc::LinkAnswer answer;
  answer.peer_role = name_of(Role::worker);
  answer.socket = std::move(pair->second);
  return answer;
}

void Supervisor::worker_asked(Process& asker, std::uint32_t question,
                              const ipc::WorkerRequest& request) {
  Result<ipc::LinkAnswer> answer = start_worker(asker, request);
  if (answer) {
    asker.control->reply(question, *answer);
    return;
  }
  log_.warning("worker for {}: {}",
               request.user.empty() ? std::to_string(request.uid)
                                    : request.user,
               answer.trouble().text);
  refuse(asker, question, answer.trouble());
}

}  // namespace postern::master
