// Stopping: in stages, from where mail comes in to what all the others ask.
// Each stage may finish its work within a limit; then it is ended.
#include <signal.h>

#include "master/supervisor.h"

namespace postern::master {
namespace {

struct Stage {
  std::vector<Role> roles;
  Millis limit;
};

const std::vector<Stage>& stages() {
  static const std::vector<Stage> all = {
      {{Role::smtpd}, Millis{5'000}},
      {{Role::qmgr, Role::smtp, Role::local}, Millis{5'000}},
      {{Role::worker}, Millis{5'000}},
      {{Role::cleanup}, Millis{3'000}},
      {{Role::lookup, Role::authd}, Millis{2'000}},
      {{Role::postlogd}, Millis{2'000}},
  };
  return all;
}

// From SIGTERM to SIGKILL.
constexpr Millis last_words{1'000};

bool among(const Stage& stage, Role role) {
  for (const Role each : stage.roles)
    if (each == role) return true;
  return false;
}

}  // namespace

void Supervisor::stop(int signal_number, bool at_once) {
  if (stage_ < 0) {
    log_.info("terminating on signal {}", signal_number);
    notifier_.stopping();
    // New clients are refused from here on.
    listeners_ = Listeners();
    wakes_.clear();
    for (const auto& [key, state] : units_) state->restart.stop();
  }
  if (at_once) {
    for (const auto& [pid, process] : processes_) ::kill(pid, SIGKILL);
    for (const auto& [pid, worker] : workers_) ::kill(pid, SIGKILL);
  }
  if (stage_ < 0) next_stage();
}

bool Supervisor::stage_is_empty() const {
  const Stage& stage = stages()[static_cast<std::size_t>(stage_)];
  if (among(stage, Role::worker)) return workers_.empty();
  for (const auto& [pid, process] : processes_)
    if (among(stage, process->role)) return false;
  return true;
}

void Supervisor::next_stage() {
  stage_timer_.stop();
  stage_terminated_ = false;
  const int count = static_cast<int>(stages().size());
  do {
    ++stage_;
  } while (stage_ < count && stage_is_empty());
  if (stage_ == count) {
    stage_ = count - 1;
    loop_.stop();
    return;
  }
  const Stage& stage = stages()[static_cast<std::size_t>(stage_)];
  for (const auto& [pid, process] : processes_)
    if (among(stage, process->role)) retire(*process, false);
  stage_timer_.start(stage.limit);
}

void Supervisor::signal_stage(int signal_number) {
  const Stage& stage = stages()[static_cast<std::size_t>(stage_)];
  for (const auto& [pid, process] : processes_)
    if (among(stage, process->role)) ::kill(pid, signal_number);
  if (!among(stage, Role::worker)) return;
  for (const auto& [pid, worker] : workers_) ::kill(pid, signal_number);
}

void Supervisor::stage_over() {
  signal_stage(stage_terminated_ ? SIGKILL : SIGTERM);
  stage_terminated_ = true;
  stage_timer_.start(last_words);
}

}  // namespace postern::master
