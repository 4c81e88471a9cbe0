// Links between processes, and workers.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "common/ipc/contract.h"
#include "common/os/files.h"
#include "master/judge.h"
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

// As many at work as the row may have processes, as many kept for the next
// message (local/workers.h), and as many that are about to end. Nothing that is
// in order gets near; an asker that was taken over cannot fill the machine.
Status Supervisor::room_for_worker(const Process& asker,
                                   const config::ServiceRow& row) const {
  const std::int64_t by_default =
      generation_.config.get<"default_process_limit">();
  const std::int64_t most =
      3 * std::max<std::int64_t>(row.maxproc > 0 ? row.maxproc : by_default, 1);
  const auto count =
      std::count_if(workers_.begin(), workers_.end(), [&](const auto& each) {
        return each.second.asker == asker.serial;
      });
  if (count < most) return {};
  return try_later("3.2", fmt::format("{} (pid {}) has {} processes for its "
                                      "deliveries already",
                                      asker.program, asker.pid, count));
}

Result<ipc::LinkAnswer> Supervisor::start_worker(
    const Process& asker, const ipc::WorkerRequest& request) {
  const UnitState* state = state_of(asker.key);
  if (state == nullptr)
    return try_later("3.0", "service " + asker.service + " is gone");
  const config::ServiceRow& row = state->unit.rows.front();
  if (Status room = room_for_worker(asker, row); !room) return room.trouble();
  const config::Config config =
      generation_.config.with_overrides(row.overrides);
  const Identities* identities =
      generation_.identities ? &*generation_.identities : nullptr;
  Result<Verdict> verdict =
      judge(request, {row, config, identities, options_.environment});
  if (!verdict) return verdict.trouble();
  Result<Pair> pair = make_pair();
  if (!pair) return pair.trouble();
  verdict->permit.tag = asker.tag;
  verdict->permit.facility = generation_.config.get<"syslog_facility">();
  verdict->permit.log_file = static_cast<bool>(generation_.log_file);
  verdict->permit.allow_degraded =
      generation_.config.get<"allow_degraded_isolation">();
  Child child;
  child.role = verdict->role;
  child.executable = generation_.program(child.role);
  child.identity = std::move(verdict->identity);
  child.arguments = verdict->permit.arguments();
  child.arguments.insert(child.arguments.begin(),
                         std::string(name_of(child.role)));
  child.environment = std::move(verdict->environment);
  if (generation_.log_file) child.log_file = generation_.log_file.get();
  child.control = pair->first.get();
  child.keep_output = options_.foreground && child.role == Role::worker;
  const Result<pid_t> pid = spawn(child, log_);
  if (!pid) return pid.trouble();
  workers_[*pid] = {child.role, asker.serial};
  ipc::LinkAnswer answer;
  answer.peer_role = name_of(child.role);
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
