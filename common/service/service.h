// What each daemon's main.cc calls: start-up, the control link, the profile.
//
//   int main(int argc, char** argv) {
//     Service service(Role::smtpd, argc, argv);   // welcome, config, log
//     Server server(service);                     // opens what it needs
//     service.lock();                             // no way back from here
//     return service.run();                       // until drained
//   }
//
// A daemon is started by master with its control link on descriptor 3. Started
// by hand it says so and exits.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/role.h"
#include "common/config/config.h"
#include "common/config/endpoints.h"
#include "common/ipc/link.h"
#include "common/ipc/messages/control.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"

namespace postern {

// A row of master.conf as this process sees it.
struct ServiceRow {
  std::string name;     // "smtp", "10025", "pickup"
  std::string type;     // inet, unix, …
  std::string program;  // "smtpd"
  std::int64_t maxproc = 0;
  bool chroot = false;
  bool private_ = true;
  std::vector<std::string> arguments;  // without -o
  config::Config config;  // main.conf with the row's -o applied
  log::Log log;           // "postern/smtpd", or as syslog_name says
};

// A socket that master has bound for one of our rows. Non-blocking.
struct Listener {
  std::string service;
  std::string type;
  std::string name;
  Fd socket;
};

// A link that another process asked master for.
struct Arrival {
  std::unique_ptr<ipc::Link> link;
  Role role;            // of the peer
  std::string service;  // the peer's row
  std::string target;   // the row of ours that it asked for
};

class Service {
 public:
  // Reads the welcome, sets up log, configuration and loop. Ends the process
  // with one clear line when any of it is wrong.
  Service(Role role, int argc, char** argv);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  Role role() const;
  Loop& loop();
  // The own row; the others that this process hosts; null if there is none.
  const ServiceRow& row() const;
  const ServiceRow* hosted(const std::string& name) const;
  const std::vector<ServiceRow>& rows() const;  // own and hosted
  // All rows of master.conf (names, types, programs, maxproc).
  const std::vector<ipc::RowWire>& suite() const;
  const config::Config& config() const;  // of the own row
  // What a row of suite() sees, whoever runs it.
  config::Config config_of(const ipc::RowWire& row) const;
  const log::Log& log() const;           // of the own row
  std::vector<Listener>& listeners();
  bool started_as_root() const;
  // A log with the tag of a row's program: "postern/bounce". Works for
  // programs without a row of their own too.
  log::Log log_as(const std::string& program) const;

  // A new link to a service (a row's name). Awaits master's answer.
  Task<Result<std::unique_ptr<ipc::Link>>> link_to(std::string service,
                                                   Millis limit);
  // A connection to a server outside of the suite, non-blocking; one that the
  // own row's configuration names (common/config/endpoints.h). smtpd and
  // cleanup only. Trouble's text is the reason alone: "Connection refused".
  Task<Result<Fd>> dial(config::Endpoint endpoint, Millis limit);
  // local only: a worker that has become the recipient.
  Task<Result<std::unique_ptr<ipc::Link>>> worker(ipc::WorkerRequest request,
                                                  Millis limit);

  // authd only: a file that the configuration names as certificate, key or
  // table of them, opened for reading.
  Task<Result<Fd>> secret_file(std::string path, Millis limit);

  // Callbacks from master. Set them before run().
  void when_linked(std::function<void(Arrival)> callback);
  void when_woken(std::function<void(std::string service)> callback);
  // Drain: stop accepting, finish, then call finished(). The default calls
  // finished() at once. draining() is true from then on; drained_for_reload()
  // tells whether a successor already serves (sessions may take their time)
  // or the suite stops (master waits a few seconds, then ends the process).
  void when_drained(std::function<void()> callback);
  bool draining() const;
  bool drained_for_reload() const;
  void when_stressed(std::function<void(bool on)> callback);

  // To master, each time it changes what master would do: how many sessions are open, and whether no more are taken.
  void tell_load(std::int64_t sessions, bool full);
  // To master, once, while draining for a reload: so many messages are locked
  // until they are settled, a successor may have the rest (qmgr alone).
  void tell_handed_over(std::int64_t under_way);

  // Applies the profile of the role (common/sandbox) and tells master that we
  // are ready. Nothing foreign is read before.
  void lock();
  // Runs until finished(), or master is gone (then the process ends at once).
  int run();
  void finished();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A link to a service that is made when first needed and again after it broke.
// Concurrent askers share it. For questions, not for content.
class SharedLink {
 public:
  SharedLink(Service& service, std::string target);
  ~SharedLink();
  SharedLink(const SharedLink&) = delete;
  SharedLink& operator=(const SharedLink&) = delete;

  // Trouble (4.3.0) when there is no way to the service now. A question that
  // may be repeated (`static constexpr bool repeatable = true`) is asked once
  // more when the link broke under it: the service was replaced by a reload.
  template <class Q>
  Task<Result<typename Q::Answer>> ask(Q question, Millis limit);
  // The live link; pointer is good until the next co_await.
  Task<Result<ipc::Link*>> get(Millis limit);

 private:
  enum class Outcome { settled, abandoned };
  class Making;   // the attempt that all askers wait for
  class Waiting;  // an asker
  Service& service_;
  std::string target_;
  std::unique_ptr<ipc::Link> link_;
  std::optional<Trouble> trouble_;  // of the last attempt
  bool making_ = false;
  std::vector<Promised<Outcome>*> waiting_;
};

template <class Q>
Task<Result<typename Q::Answer>> SharedLink::ask(Q question, Millis limit) {
  for (int attempt = 1;; ++attempt) {
    Result<ipc::Link*> link = co_await get(limit);
    if (!link) co_return link.trouble();
    ipc::Link* live = *link;
    Result<typename Q::Answer> answer = co_await live->call(question, limit);
    // get() has kept the link, or replaced it after it had closed.
    const bool broke = !answer && (link_ == nullptr || !link_->open());
    if constexpr (requires { Q::repeatable; }) {
      if (broke && attempt == 1) continue;
    }
    co_return std::move(answer);
  }
}

}  // namespace postern
