// One log-in under way: what a mechanism sees of it, and what comes of it.
// Next: mechanisms.h (those of the store), cyrus.h, connection.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "authd/protocol.h"
#include "common/loop/task.h"

namespace postern::authd {

struct Outcome {
  enum class Kind {
    good,
    refused,      // wrong, and it counts
    unavailable,  // nobody can tell now
    gone,         // the client has cancelled, or said nothing for too long
  };
  Kind kind = Kind::refused;
  std::string user;      // good: the name as the store has it; else as tried
  std::string account;   // what failures are counted for; empty: `user`
  std::string backend;   // "store", "saslauthd", "cyrus": for the log
  std::string why;       // for the log alone
  std::string reason;    // for the client; the same for all wrong passwords
  std::string code;      // user_disabled, authzfailed
  std::string last;      // what the mechanism's server says at the end
  std::uint64_t guess = 0;  // see Attempts::failed
};

inline Outcome refused(std::string user, std::string why) {
  Outcome outcome;
  outcome.user = std::move(user);
  outcome.why = std::move(why);
  outcome.reason = "authentication failure";
  return outcome;
}
// The proof was wrong, whatever else is: told the same for every user.
inline Outcome wrong(Outcome outcome, std::string user) {
  outcome.kind = Outcome::Kind::refused;
  outcome.user = std::move(user);
  outcome.code.clear();
  outcome.reason = "authentication failure";
  return outcome;
}
// Somebody who is who he says wanted to act for another.
inline Outcome not_for(Outcome outcome, const std::string& authorized) {
  outcome.kind = Outcome::Kind::refused;
  outcome.code = "authzfailed";
  outcome.why = "may not act for " + authorized;
  outcome.reason = "not authorized";
  return outcome;
}
inline Outcome unavailable(std::string why) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::unavailable;
  outcome.why = std::move(why);
  return outcome;
}
inline Outcome gone() {
  Outcome outcome;
  outcome.kind = Outcome::Kind::gone;
  outcome.why = "the client gave up";
  return outcome;
}

class Exchange {
 public:
  // `send` puts a line on the way to the client.
  Exchange(AuthLine line, Millis limit, std::function<void(std::string)> send)
      : line_(std::move(line)), limit_(limit), send_(std::move(send)) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const AuthLine& line() const { return line_; }
  const Session& session() const { return line_.session; }
  // Whose work it is, for limits: the network, or the address as given.
  std::string client() const;

  // The client's next response; nullopt: there will be none.
  Task<std::optional<std::string>> ask(std::string challenge);
  // The initial response, or the answer to `challenge` where there was none.
  Task<std::optional<std::string>> first(std::string challenge);

  // From the client. False: nothing was asked.
  bool answer(std::string response);
  void cancel();

 private:
  AuthLine line_;
  Millis limit_;
  std::function<void(std::string)> send_;
  bool cancelled_ = false;
  bool asking_ = false;
  std::optional<Promised<std::optional<std::string>>> waiting_;
};

// Who can tell whether somebody is who he says.
class Backend {
 public:
  virtual ~Backend() = default;
  // What a client may be offered now.
  virtual Task<std::vector<MechanismOffer>> mechanisms() = 0;
  // The whole conversation of exchange->line().mechanism. The exchange
  // outlives the task.
  virtual Task<Outcome> run(Exchange* exchange) = 0;
};

}  // namespace postern::authd
