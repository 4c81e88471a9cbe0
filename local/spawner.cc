#include "local/spawner.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <string>
#include <utility>

#include "common/base/text.h"
#include "common/os/files.h"
#include "local/command.h"

namespace postern::local {

Spawner::Spawner(Service& service, const Settings& settings, Workers& workers)
    : service_(service), settings_(settings), workers_(workers) {
  const ServiceRow& row = service.row();
  Result<config::CommandRow> parsed =
      config::CommandRow::parse(row.arguments, row.program);
  if (!parsed) {
    service.log().warning("service {}: {}: it takes no connections", row.name,
                          parsed.trouble().text);
    return;
  }
  row_ = std::move(*parsed);
  usable_ = true;
}

void Spawner::start() {
  for (const Listener& each : service_.listeners()) {
    const Listener* listener = &each;
    watches_.emplace_back(each.socket.get(), Watch::read, false,
                          [this, listener](short) { accept(listener); });
    if (!usable_) watches_.back().disable();
  }
}

void Spawner::stop(std::function<void()> done) {
  watches_.clear();
  done_ = std::move(done);
  if (running_ == 0) done_();
}

// No more programs than the row allows: who comes later waits in the socket's
// backlog.
void Spawner::changed(std::int64_t by) {
  running_ += by;
  for (Watch& watch : watches_)
    if (running_ < settings_.most_workers)
      watch.enable();
    else
      watch.disable();
  if (running_ == 0 && done_) done_();
}

void Spawner::accept(const Listener* listener) {
  // Blocking: a program expects that of its standard input.
  Fd connection(
      ::accept4(listener->socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection) {
    if (errno != EAGAIN && errno != ECONNABORTED)
      service_.log().warning("accept connection: {}", os::error_text(errno));
    return;
  }
  changed(+1);
  connections_.start(serve(std::move(connection)));
}

Task<> Spawner::serve(Fd connection) {
  ipc::RunRequest what;
  what.connection = std::move(connection);
  what.arguments.assign(row_.argv.begin() + 1, row_.argv.end());
  ipc::WorkerRequest who;
  who.purpose = "command";
  const Millis limit = answer_limit(settings_.time_limit);
  const std::string program = row_.argv.front();
  Result<ipc::RunAnswer> ended =
      co_await workers_.run(std::move(who), std::move(what), limit);
  const log::Log& log = service_.log();
  if (!ended) {
    log.warning("{}: {}", program, ended.trouble().text);
  } else if (ended->trouble.present) {
    log.warning("{}: {}", program, ended->trouble.trouble().text);
  } else if (ended->timed_out) {
    log.warning("{}: command time limit exceeded", program);
  } else {
    const int status = static_cast<int>(ended->status);
    if (WIFSIGNALED(status))
      log.warning("command {} killed by signal {}", program, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
      log.warning("command {} exit status {}", program, WEXITSTATUS(status));
  }
  changed(-1);
}

}  // namespace postern::local
