// What master does once its sockets are bound: starts processes, links them,
// replaces those that die, wakes, reloads, stops. Parts: supervisor.cc (life
// of the whole), processes.cc (of each), links.cc (between them), stopping.cc.
// master never waits for a process: everything here is a reaction.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/config/endpoints.h"
#include "common/ipc/link.h"
#include "common/ipc/messages/control.h"
#include "common/ipc/messages/dial.h"
#include "common/ipc/messages/keys.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "master/backoff.h"
#include "master/generation.h"
#include "master/listeners.h"
#include "master/notify.h"
#include "master/plan.h"

namespace postern::master {

struct Options {
  std::string directory;  // of the configuration
  bool foreground = false;
  bool as_root = false;
  std::vector<std::string> environment;  // of the processes
};

class Supervisor {
 public:
  // `listeners` are bound already.
  Supervisor(Options options, Generation generation, Listeners listeners,
             const Notifier& notifier);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Starts what starts early. Then run(): until stopped by a signal.
  void start();
  void run();

 private:
  struct Process {
    pid_t pid = -1;
    std::uint64_t serial = 0;
    std::string key;  // of its unit
    std::string service;
    std::string program;  // for the log: full path
    std::string tag;      // syslog_name/program of its row
    Role role = Role::smtpd;
    bool ready = false;
    bool full = false;
    bool draining = false;
    bool handed_over = false;  // of a queue manager that drains
    std::int64_t sessions = 0;
    Clock::time_point started;
    Clock::time_point idle_since;
    std::optional<Clock::time_point> deadline;  // draining: at the latest
    bool terminated = false;                    // SIGTERM was sent
    std::vector<config::Endpoint> endpoints;    // it may be connected to
    std::unique_ptr<ipc::Link> control;
    Nursery nursery;  // its conversation; goes first
  };
  // A process that asked for a link to one that does not run yet.
  struct Waiting {
    std::uint64_t asker;
    std::uint32_t question;
    std::string target;
    Clock::time_point deadline;
  };
  struct UnitState {
    UnitState(Supervisor& owner, Unit planned);
    Unit unit;
    Backoff backoff;
    std::vector<Process*> active;  // not draining
    std::vector<Waiting> waiting;
    bool stressed = false;
    Timer restart;  // runs while the unit is held back
  };
  struct Wake {
    std::string service;
    std::string key;
    Millis every;
    std::unique_ptr<Timer> timer;
  };

  // supervisor.cc
  void adopt(Generation generation);
  void make_units();
  void start_early();
  void make_wakes();
  void wake(const Wake& wake);
  void reload();
  void retire_all();
  void sweep();
  bool needs_sweep() const;
  void keep_sweeping();

  // processes.cc
  bool held_back(const UnitState& state) const;
  void start_unit(UnitState& state);
  void start_successor(Role role);
  bool start_process(UnitState& state);
  std::vector<config::Endpoint> endpoints_of(const Unit& unit) const;
  ipc::Welcome welcome_for(const UnitState& state) const;
  Task<> converse(Process* process);
  void handle(Process& process, ipc::Frame frame);
  void load_changed(Process& process, const ipc::Ready& report);
  void balance(UnitState& state);
  void retire(Process& process, bool for_reload);
  void retire_idle(UnitState& state);
  void children_changed();
  void ended(pid_t pid, int status);
  void process_died(std::unique_ptr<Process> process, int status);
  void tell_death(const std::string& program, pid_t pid, int status) const;
  UnitState* state_of(const std::string& key);
  Process* process_by(std::uint64_t serial);

  // links.cc
  void link_asked(Process& asker, std::uint32_t question,
                  const ipc::LinkRequest& request);
  void connect(Process& asker, std::uint32_t question, UnitState& state,
               const std::string& target);
  void serve_waiting(UnitState& state);
  void expire_waiting(UnitState& state);
  void refuse(Process& asker, std::uint32_t question, const Trouble& trouble);
  void worker_asked(Process& asker, std::uint32_t question,
                    const ipc::WorkerRequest& request);
  Status room_for_worker(const Process& asker,
                         const config::ServiceRow& row) const;
  Result<ipc::LinkAnswer> start_worker(const Process& asker,
                                       const ipc::WorkerRequest& request);

  // dial.cc
  void dial_asked(Process& asker, std::uint32_t question,
                  const ipc::DialPath& request);

  // secrets.cc
  void secret_asked(Process& asker, std::uint32_t question,
                    const ipc::SecretFileRequest& request);

  // stopping.cc
  void stop(int signal_number, bool at_once);
  void next_stage();
  bool stage_is_empty() const;
  void stage_over();
  void signal_stage(int signal_number);

  Options options_;
  log::Log log_;
  const Notifier& notifier_;
  Loop loop_;
  Generation generation_;
  Listeners listeners_;
  std::map<std::string, std::unique_ptr<UnitState>> units_;
  std::map<pid_t, std::unique_ptr<Process>> processes_;
  struct Worker {
    Role role;
    std::uint64_t asker;  // its serial
  };
  std::map<pid_t, Worker> workers_;  // and runners
  std::vector<Wake> wakes_;
  std::uint64_t last_serial_ = 0;
  Timer sweep_timer_;
  // Stopping: -1 while running.
  int stage_ = -1;
  bool stage_terminated_ = false;
  Timer stage_timer_;
  std::vector<std::unique_ptr<SignalWatch>> signals_;
};

}  // namespace postern::master
