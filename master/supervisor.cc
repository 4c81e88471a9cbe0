#include "master/supervisor.h"

#include <signal.h>

#include "common/sandbox/lock.h"

namespace postern::master {
namespace {

constexpr Millis between_sweeps{1'000};
// A queue manager of before a reload may finish what its agents do; it is in
// the way of the new one.
constexpr Seconds longest_takeover{1'000};

log::Log log_of(const config::Config& config) {
  return log::Log(config.get<"syslog_name">() + "/master");
}

std::string version_and_place(const Generation& generation) {
  return "version " + generation.config.get<"mail_version">() +
         ", configuration " + generation.config.directory();
}

}  // namespace

Supervisor::UnitState::UnitState(Supervisor& owner, Unit planned)
    : unit(std::move(planned)),
      restart([this, &owner] { owner.start_unit(*this); }) {}

Supervisor::Supervisor(Options options, Generation generation,
                       Listeners listeners, const Notifier& notifier)
    : options_(std::move(options)),
      log_(log_of(generation.config)),
      notifier_(notifier),
      generation_(std::move(generation)),
      listeners_(std::move(listeners)),
      sweep_timer_([this] { sweep(); }),
      stage_timer_([this] { stage_over(); }) {
  ::signal(SIGPIPE, SIG_IGN);
  const auto watch = [this](int number, std::function<void()> happened) {
    signals_.push_back(
        std::make_unique<SignalWatch>(number, std::move(happened)));
  };
  watch(SIGCHLD, [this] { children_changed(); });
  watch(SIGHUP, [this] { reload(); });
  watch(SIGTERM, [this] { stop(SIGTERM, false); });
  watch(SIGINT, [this] { stop(SIGINT, false); });
  watch(SIGQUIT, [this] { stop(SIGQUIT, true); });
}

Supervisor::~Supervisor() = default;

void Supervisor::start() {
  log_.info("daemon started -- " + version_and_place(generation_));
  for (const std::string& each : generation_.warnings) log_.warning(each);
  sandbox::Situation situation;
  situation.role = Role::master;
  situation.started_as_root = options_.as_root;
  const Result<sandbox::Applied> locked = sandbox::lock(situation);
  if (!locked) log_.fatal(locked.trouble().text);
  make_units();
  start_early();
  make_wakes();
}

void Supervisor::run() {
  notifier_.ready();
  loop_.run();
}

void Supervisor::make_units() {
  for (const Unit& unit : generation_.plan.units)
    units_.emplace(unit.key, std::make_unique<UnitState>(*this, unit));
}

void Supervisor::start_early() {
  for (const auto& [key, state] : units_)
    if (state->unit.at_start) start_unit(*state);
}

// --- wake-ups ---

void Supervisor::make_wakes() {
  for (const config::ServiceRow& row : generation_.rows) {
    const auto served = generation_.plan.serves.find(row.name);
    if (row.wakeup.count() <= 0 || served == generation_.plan.serves.end())
      continue;
    wakes_.push_back({row.name, served->second, row.wakeup, nullptr});
    const std::size_t index = wakes_.size() - 1;
    wakes_.back().timer =
        std::make_unique<Timer>([this, index] { wake(wakes_[index]); });
    // The first at once, but for services that are to be used before.
    wakes_.back().timer->start(row.wakeup_if_used ? Millis(row.wakeup)
                                                  : Millis{0});
  }
}

void Supervisor::wake(const Wake& wake) {
  wake.timer->start(wake.every);
  UnitState* state = state_of(wake.key);
  if (state == nullptr || state->active.empty()) return;
  state->active.front()->control->send(ipc::Wakeup{wake.service});
}

// --- reload ---

void Supervisor::reload() {
  if (stage_ >= 0) return;
  Result<Generation> fresh =
      load_generation(options_.directory, options_.as_root);
  if (!fresh) {
    log_.error(fresh.trouble().text);
    log_.error("reload refused: the old configuration stays in force");
    return;
  }
  const std::string queue = generation_.config.get<"queue_directory">();
  if (fresh->config.get<"queue_directory">() != queue) {
    log_.error("reload refused: queue_directory cannot change while the mail "
               "system runs; stop and start it");
    return;
  }
  notifier_.reloading();
  adopt(std::move(*fresh));
  log_.info("reload -- " + version_and_place(generation_));
  for (const std::string& each : generation_.warnings) log_.warning(each);
  start_early();
  for (const auto& [key, state] : units_)
    if (!state->waiting.empty()) start_unit(*state);
  make_wakes();
  notifier_.ready();
}

void Supervisor::adopt(Generation fresh) {
  log::Destination destination;
  destination.file = fresh.log_file.get();
  destination.facility = fresh.config.get<"syslog_facility">();
  log::set_destination(destination);
  const Generation old = std::exchange(generation_, std::move(fresh));
  log_ = log_of(generation_.config);
  if (Status bound =
          listeners_.update(listening_rows(generation_.plan),
                            generation_.config);
      !bound)
    log_.error(bound.trouble().text);
  wakes_.clear();
  retire_all();
  const auto before = std::exchange(units_, {});
  make_units();
  for (const auto& [key, state] : before)
    for (Waiting& each : state->waiting) {
      if (UnitState* now = state_of(key))
        now->waiting.push_back(std::move(each));
      else if (Process* asker = process_by(each.asker))
        refuse(*asker, each.question,
               try_later("3.0", "service " + each.target + " is gone"));
    }
}

void Supervisor::retire_all() {
  for (const auto& [pid, process] : processes_) {
    if (process->draining) continue;
    retire(*process, true);
    if (process->role == Role::qmgr)
      process->deadline = Clock::now() + longest_takeover;
  }
}

// --- what happens by the second, while there is anything to look after ---

void Supervisor::keep_sweeping() {
  if (!sweep_timer_.running()) sweep_timer_.start(between_sweeps);
}

bool Supervisor::needs_sweep() const {
  for (const auto& [key, state] : units_)
    if (!state->waiting.empty() || state->active.size() > 1) return true;
  for (const auto& [pid, process] : processes_)
    if (process->deadline) return true;
  return false;
}

void Supervisor::sweep() {
  for (const auto& [key, state] : units_) {
    expire_waiting(*state);
    retire_idle(*state);
  }
  const Clock::time_point now = Clock::now();
  for (const auto& [pid, process] : processes_) {
    if (!process->deadline || *process->deadline > now) continue;
    ::kill(pid, process->terminated ? SIGKILL : SIGTERM);
    process->terminated = true;
    process->deadline = now + between_sweeps;
  }
  if (needs_sweep()) keep_sweeping();
}

}  // namespace postern::master
