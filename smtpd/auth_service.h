// The one connection of this process to whoever knows the passwords, shared by
// all sessions: a client of the Dovecot auth protocol. Made when first needed,
// made again after it was lost; requests of many sessions are under way at
// once, and one that waits holds up nobody else.
// Next: auth_protocol.h (its lines), command_auth.cc (who asks).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/log/log.h"
#include "common/loop/stream.h"
#include "common/loop/task.h"
#include "common/os/fd.h"
#include "smtpd/auth_protocol.h"

namespace postern::smtpd {

// Where the connection leads.
class AuthBackend {
 public:
  virtual ~AuthBackend() = default;
  // A connected stream socket. Trouble's text is the reason alone.
  virtual Task<Result<Fd>> connect(Millis limit) = 0;
  // For the log: "Dovecot auth socket 'private/auth'".
  virtual std::string name() const = 0;
};

struct AuthReply {
  enum class What { challenge, success, failure, temporary };
  What what = What::temporary;
  std::string text;  // challenge (base64) or reason; may be empty
  std::string user;
};

class AuthExchange;

class AuthService {
 public:
  // Both must outlive this.
  AuthService(AuthBackend& backend, const log::Log& log);
  ~AuthService();
  AuthService(const AuthService&) = delete;
  AuthService& operator=(const AuthService&) = delete;

  // Connects if need be; false when there is no way to the server now, or not
  // within `limit` (connecting() then tells that it goes on).
  Task<bool> reach(Millis limit);
  bool connecting() const { return connecting_; }
  bool connected() const { return ready_; }
  // Connects again after a loss, without waiting, when the last attempt is so
  // long ago: so that what is offered is what the server has now.
  void refresh(Millis between);
  // What the server has offered last; empty while it was never reached.
  const std::vector<Mechanism>& mechanisms() const { return mechanisms_; }

 private:
  friend class AuthExchange;
  class Waiting;

  void begin();
  Task<void> live();
  Task<void> converse();
  Task<std::string> next_line(Millis limit);
  Task<void> shake_hands();
  void deliver(AuthServerLine line);
  void settle();
  void lost(const char* how);
  bool send(const std::string& line);

  AuthBackend& backend_;
  const log::Log& log_;
  std::unique_ptr<Stream> stream_;  // null: not connected
  std::vector<Mechanism> mechanisms_;
  bool connecting_ = false;
  Clock::time_point last_attempt_{};
  bool ready_ = false;  // the handshake is over
  std::uint32_t last_id_ = 0;
  std::map<std::uint32_t, AuthExchange*> exchanges_;
  std::vector<Waiting*> waiting_;
  Nursery nursery_;  // goes first
};

// One log-in. Going before its end, it is cancelled at the server too.
class AuthExchange {
 public:
  explicit AuthExchange(AuthService& service) : service_(service) {}
  ~AuthExchange();
  AuthExchange(const AuthExchange&) = delete;
  AuthExchange& operator=(const AuthExchange&) = delete;

  Task<AuthReply> first(AuthStart start);
  // `response` is base64 text.
  Task<AuthReply> next(std::string response);

 private:
  friend class AuthService;
  Task<AuthReply> ask(std::string line);
  void answered(AuthReply reply);
  void leave();

  AuthService& service_;
  std::uint32_t id_ = 0;  // 0: not under way
  bool lost_ = false;     // the connection went before the answer
  std::optional<Promised<AuthReply>> answer_;
};

}  // namespace postern::smtpd
