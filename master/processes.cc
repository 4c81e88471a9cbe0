// A process's life: started with a welcome, talked with, replaced.
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>

#include "common/os/files.h"
#include "master/spawn.h"
#include "master/supervisor.h"

namespace postern::master {
namespace {

constexpr Millis listening{3'600'000};

std::string tag_of(const config::ServiceRow& row,
                   const config::Config& config) {
  return config.with_overrides(row.overrides).text("syslog_name") + "/" +
         row.program;
}

}  // namespace

Supervisor::UnitState* Supervisor::state_of(const std::string& key) {
  const auto found = units_.find(key);
  return found == units_.end() ? nullptr : found->second.get();
}

Supervisor::Process* Supervisor::process_by(std::uint64_t serial) {
  for (const auto& [pid, process] : processes_)
    if (process->serial == serial) return process.get();
  return nullptr;
}

// --- starting ---

// There is one queue manager at a time; one that drains counts until it has
// locked what it still has under way.
bool Supervisor::held_back(const UnitState& state) const {
  if (stage_ >= 0 || state.restart.running()) return true;
  if (state.unit.role != Role::qmgr) return false;
  for (const auto& [pid, process] : processes_)
    if (process->role == Role::qmgr && process->draining &&
        !process->handed_over)
      return true;
  return false;
}

void Supervisor::start_unit(UnitState& state) {
  if (!state.active.empty() || held_back(state)) return;
  if (start_process(state)) serve_waiting(state);
}

// One that may have waited for another to go, of whatever name.
void Supervisor::start_successor(Role role) {
  if (stage_ >= 0) return;
  for (const auto& [key, each] : units_)
    if (each->unit.role == role && each->unit.at_start) start_unit(*each);
}

ipc::Welcome Supervisor::welcome_for(const UnitState& state) const {
  ipc::Welcome welcome;
  welcome.config_directory = generation_.config.directory();
  welcome.service = state.unit.service;
  welcome.settings = generation_.settings;
  for (const config::ServiceRow& row : state.unit.rows)
    welcome.rows.push_back(row_wire(row, generation_.config));
  welcome.suite = generation_.suite;
  welcome.listeners = listeners_.of(state.unit.rows);
  if (generation_.log_file)
    welcome.log_file =
        Fd(::fcntl(generation_.log_file.get(), F_DUPFD_CLOEXEC, 5));
  welcome.as_root = options_.as_root;
  welcome.command_tag = tag_of(state.unit.rows.front(), generation_.config);
  return welcome;
}

// The own row's; sessions behind a screen have the settings of their pass row.
std::vector<config::Endpoint> Supervisor::endpoints_of(const Unit& unit) const {
  const config::ServiceRow* row = &unit.rows.front();
  if (row->program == "postscreen") {
    const config::Config screen =
        generation_.config.with_overrides(row->overrides);
    for (const config::ServiceRow& each : generation_.rows)
      if (each.type == "pass" &&
          each.name == screen.get<"smtpd_service_name">())
        row = &each;
  }
  return config::granted_endpoints(
      generation_.config.with_overrides(row->overrides), name_of(unit.role));
}

bool Supervisor::start_process(UnitState& state) {
  const config::ServiceRow& row = state.unit.rows.front();
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    log_.warning("socketpair: {}", os::error_text(errno));
    state.restart.start(Backoff::shortage);
    return false;
  }
  Fd ours(pair[0]);
  const Fd theirs(pair[1]);
  Child child;
  child.role = state.unit.role;
  child.executable = generation_.program(state.unit.role);
  child.arguments = {row.program, "-n", row.name, "-t", row.type};
  child.environment = options_.environment;
  child.control = theirs.get();
  child.keep_output = options_.foreground;
  if (generation_.identities)
    child.identity = generation_.identities->of(state.unit.role);
  const Result<pid_t> pid = spawn(child, log_);
  if (!pid) {
    log_.warning("{}: {}", child.executable, pid.trouble().text);
    state.restart.start(Backoff::shortage);
    return false;
  }
  auto process = std::make_unique<Process>();
  process->pid = *pid;
  process->serial = ++last_serial_;
  process->key = state.unit.key;
  process->service = row.name;
  process->program = child.executable;
  process->tag = tag_of(row, generation_.config);
  process->role = state.unit.role;
  process->endpoints = endpoints_of(state.unit);
  process->started = process->idle_since = Clock::now();
  process->control = std::make_unique<ipc::Link>(
      std::move(ours), Role::master, state.unit.role, row.name);
  process->control->send(welcome_for(state));
  process->nursery.start(converse(process.get()));
  state.active.push_back(process.get());
  if (state.active.size() > 1) keep_sweeping();
  processes_[*pid] = std::move(process);
  return true;
}

// --- talking ---

Task<> Supervisor::converse(Process* process) {
  while (process->control->open() || process->control->waiting() > 0) {
    std::optional<ipc::Frame> frame =
        co_await process->control->next(listening);
    if (frame) handle(*process, std::move(*frame));
  }
}

void Supervisor::handle(Process& process, ipc::Frame frame) {
  if (auto report = frame.as<ipc::Ready>()) {
    load_changed(process, *report);
  } else if (frame.as<ipc::HandedOver>() && process.draining) {
    process.handed_over = true;
    start_successor(process.role);
  } else if (auto link = frame.as<ipc::LinkRequest>()) {
    link_asked(process, frame.id, *link);
  } else if (auto worker = frame.as<ipc::WorkerRequest>()) {
    worker_asked(process, frame.id, *worker);
  } else if (auto dial = frame.as<ipc::DialPath>()) {
    dial_asked(process, frame.id, *dial);
  } else if (auto secret = frame.as<ipc::SecretFileRequest>()) {
    secret_asked(process, frame.id, *secret);
  } else {
    log_.warning("{} (pid {}) said something that does not decode",
                 process.program, process.pid);
    process.control->close();
    ::kill(process.pid, SIGTERM);
  }
}

void Supervisor::load_changed(Process& process, const ipc::Ready& report) {
  process.ready = true;
  process.full = report.full;
  if (report.sessions == 0 && process.sessions != 0)
    process.idle_since = Clock::now();
  process.sessions = report.sessions;
  UnitState* state = state_of(process.key);
  if (state != nullptr && !process.draining) balance(*state);
}

// All full: one more, or, where there may be no more, stress.
void Supervisor::balance(UnitState& state) {
  const bool all_full =
      std::all_of(state.active.begin(), state.active.end(),
                  [](const Process* each) { return each->full; });
  const auto count = static_cast<int>(state.active.size());
  const bool room = state.unit.most == 0 || count < state.unit.most;
  if (all_full && room && !held_back(state)) {
    start_process(state);
    return;
  }
  const bool stressed = all_full && !room;
  if (stressed == state.stressed) return;
  state.stressed = stressed;
  for (Process* each : state.active) each->control->send(ipc::Stress{stressed});
  if (stressed)
    log_.warning(
        "service \"{}\" has reached its process limit \"{}\": new clients may "
        "experience noticeable delays", state.unit.service, state.unit.most);
}

// --- leaving ---

void Supervisor::retire(Process& process, bool for_reload) {
  process.draining = true;
  process.control->send(ipc::Drain{for_reload});
  if (UnitState* state = state_of(process.key))
    std::erase(state->active, &process);
}

// Processes beyond the first end when they had nothing to do for max_idle, as
// long as another one still takes clients.
void Supervisor::retire_idle(UnitState& state) {
  if (state.active.size() < 2 || stage_ >= 0) return;
  const auto idle = generation_.config.get<"max_idle">();
  const auto taking =
      std::count_if(state.active.begin(), state.active.end(),
                    [](const Process* each) { return !each->full; });
  if (taking < 2) return;
  for (Process* each : state.active) {
    if (!each->ready || each->sessions != 0) continue;
    if (Clock::now() - each->idle_since < idle) continue;
    retire(*each, true);
    return;
  }
}

void Supervisor::children_changed() {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return;
    ended(pid, status);
  }
}

void Supervisor::tell_death(const std::string& program, pid_t pid,
                            int status) const {
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
    log_.warning("process {} pid {} exit status {}", program, pid,
                 WEXITSTATUS(status));
  else if (WIFSIGNALED(status))
    log_.warning("process {} pid {} killed by signal {}", program, pid,
                 WTERMSIG(status));
}

void Supervisor::ended(pid_t pid, int status) {
  if (const auto worker = workers_.find(pid); worker != workers_.end()) {
    tell_death(generation_.program(worker->second.role), pid, status);
    workers_.erase(worker);
  } else if (const auto found = processes_.find(pid);
             found != processes_.end()) {
    std::unique_ptr<Process> process = std::move(found->second);
    processes_.erase(found);
    process_died(std::move(process), status);
  }
  // Anything else was orphaned to us as the first process of a container.
  if (stage_ >= 0 && stage_is_empty()) next_stage();
}

void Supervisor::process_died(std::unique_ptr<Process> process, int status) {
  const bool killed_by_us = process->terminated || stage_ >= 0;
  if (!killed_by_us) tell_death(process->program, process->pid, status);
  if (stage_ >= 0) return;
  if (process->draining) {
    start_successor(process->role);
    return;
  }
  UnitState* state = state_of(process->key);
  if (state == nullptr) return;
  std::erase(state->active, process.get());
  const bool wanted = state->unit.at_start || !state->waiting.empty();
  const auto lifetime = std::chrono::duration_cast<Millis>(
      Clock::now() - process->started);
  const bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  if (!failed && !wanted) return;
  const Millis wait = state->backoff.died_after(
      lifetime, generation_.config.get<"service_throttle_time">(),
      process->ready);
  if (wait >= Backoff::noticed && failed)
    log_.warning("{}: bad command startup -- throttling", process->program);
  if (wait.count() > 0)
    state->restart.start(wait);
  else if (wanted)
    start_unit(*state);
}

}  // namespace postern::master
