// One client of the Dovecot auth protocol: smtpd on a stream that it was given,
// or another program on the named socket. Many log-ins may be under way at
// once. Next: exchange.h, attempts.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "authd/attempts.h"
#include "authd/exchange.h"
#include "common/log/log.h"
#include "common/loop/stream.h"

namespace postern::authd {

// What all connections share: limits, and who has failed lately.
class Gate {
 public:
  struct Limits {
    AttemptLimits attempts;
    std::size_t requests = 1000;     // log-ins under way
    std::size_t of_client = 50;      // of one network
    Millis answer{120'000};          // for each of the client's responses
  };
  Gate(const Limits& limits, log::Log log)
      : limits_(limits), attempts_(limits.attempts), log_(std::move(log)) {}

  const Limits& limits() const { return limits_; }
  Attempts& attempts() { return attempts_; }
  const log::Log& log() const { return log_; }

  // A place among the log-ins under way, for as long as it lives.
  class Place {
   public:
    Place(Gate& gate, std::string client);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    bool granted() const { return granted_; }

   private:
    Gate& gate_;
    std::string client_;
    bool granted_ = false;
  };
  std::size_t under_way() const { return under_way_; }
  // Calls back, once, as soon as none is under way.
  void when_idle(std::function<void()> callback);

 private:
  Limits limits_;
  Attempts attempts_;
  log::Log log_;
  std::size_t under_way_ = 0;
  std::unordered_map<std::string, std::size_t> of_client_;
  std::function<void()> idle_;
};

class Connection {
 public:
  // `name` is for log lines: "smtpd", "public/auth". All must outlive it.
  Connection(Fd socket, std::string name, std::uint64_t number,
             std::shared_ptr<Backend> backend, Gate& gate);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Until the client leaves, or says what is not of the protocol.
  Task<void> run();
  // Ends it from outside.
  void shut() { stream_.shut(); }

 private:
  Task<void> converse();
  // The next line without its end; Hangup when there is none.
  Task<std::string> line();
  bool take(ClientLine line);
  bool complain(const std::string& why);
  bool begin(AuthLine line);
  bool spoil(const SpoiledLine& line);
  void say(const std::string& text);
  Task<void> attempt(std::unique_ptr<Exchange> exchange);
  Task<void> settle(Exchange* exchange, Outcome outcome,
                    Clock::time_point began);
  void accept(const Exchange& exchange, const Outcome& outcome);
  void refuse(const Exchange& exchange, const Outcome& outcome);
  Millis delay_of(const Exchange& exchange, const Outcome& outcome);
  void tell(const Exchange& exchange, const Outcome& outcome);

  Stream stream_;
  std::string name_;
  std::uint64_t number_;
  std::shared_ptr<Backend> backend_;
  Gate& gate_;
  bool versioned_ = false;
  std::unordered_map<std::uint32_t, Exchange*> exchanges_;
  Nursery attempts_;
};

}  // namespace postern::authd
