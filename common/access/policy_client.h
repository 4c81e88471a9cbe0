// Connections to policy services, kept for further questions. Many questions
// are under way at once, each on a connection of its own; one that is free is
// used again.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "common/access/policy.h"
#include "common/log/log.h"
#include "common/loop/stream.h"
#include "common/loop/task.h"

namespace postern::access {

class PolicyClient {
 public:
  // Connects to a service; Trouble's text is the reason alone.
  using Dial =
      std::function<Task<Result<Fd>>(config::Endpoint endpoint, Millis limit)>;

  // `log` must outlive the client.
  PolicyClient(const log::Log& log, Dial dial);
  PolicyClient(const PolicyClient&) = delete;
  PolicyClient& operator=(const PolicyClient&) = delete;

  // The action, asked for up to try_limit times. Trouble: no answer came; the
  // reasons have been logged.
  Task<Result<std::string>> ask(const PolicyService* service,
                                std::string request);

  std::size_t idle() const;

 private:
  // A connection that waits for its next question.
  struct Connection {
    explicit Connection(Fd socket) : stream(std::move(socket)) {}
    Stream stream;
    Clock::time_point made = Clock::now();
    Clock::time_point used = Clock::now();
    std::int64_t requests = 0;
  };
  using Pool = std::list<std::unique_ptr<Connection>>;

  Task<Result<std::string>> ask_once(const PolicyService* service,
                                     std::string request);
  Task<Result<std::string>> exchange(Connection* connection,
                                     std::string request, Millis limit);
  Task<Result<std::string>> receive(Connection* connection, Millis limit);
  std::unique_ptr<Connection> take_idle(const PolicyService& service);
  void keep(const PolicyService& service,
            std::unique_ptr<Connection> connection);
  void sweep();

  const log::Log& log_;
  Dial dial_;
  // By endpoint and limits: services that differ in these do not share.
  std::map<std::string, Pool> idle_;
  Millis longest_idle_{};
  Timer sweeper_;
};

}  // namespace postern::access
