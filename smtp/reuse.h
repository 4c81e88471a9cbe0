// Sessions kept open for the next message to the same destination.
//
// A destination earns it by back-to-back deliveries: one that starts within a
// second of the end of the last, and was waiting already when that began. From
// then on sessions are kept as long as deliveries overlap or follow each other
// (smtp_connection_cache_on_demand); destinations in
// smtp_connection_cache_destinations have it always.
//
// `destination` is a next hop; a line end and the sender follow it where the
// sender may decide who we log in as. Whether a session that was kept is what
// the next delivery may use is for who takes it to say (Terms).
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "smtp/connection.h"
#include "smtp/settings.h"

namespace postern::smtp {

class SessionPool {
 public:
  explicit SessionPool(const Settings& settings);

  // A delivery to the destination starts while `backlog` others wait or are
  // under way; true: keep its session. Each begin has its end.
  bool begin(const std::string& destination, std::int64_t backlog);
  void end(const std::string& destination);

  // The session that was used last, or null.
  std::unique_ptr<Connection> take(const std::string& destination);
  // For smtp_connection_cache_time_limit; then it is told to quit.
  void keep(const std::string& destination, std::unique_ptr<Connection> one);

  // Says QUIT beside other work.
  void dismiss(std::unique_ptr<Connection> one);

  std::size_t kept() const { return idle_.size(); }

 private:
  struct Demand {
    int busy = 0;
    std::int64_t backlog = 0;  // when the last delivery began
    bool keep = false;
    bool seen = false;  // one delivery has ended
    Clock::time_point last_end;
  };
  struct Idle {
    std::string destination;
    std::unique_ptr<Connection> connection;
    Clock::time_point until;
  };
  bool always(const std::string& destination) const;
  void forget_old_demand();
  void expire();
  static Task<void> say_farewell(std::unique_ptr<Connection> one);

  const Settings& settings_;
  std::map<std::string, Demand> demand_;
  std::list<Idle> idle_;  // oldest first
  Timer expiry_;
  Nursery farewells_;
};

}  // namespace postern::smtp
