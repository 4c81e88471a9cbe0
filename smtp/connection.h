// A session with one server: from the TCP connection to the point where mail
// can be sent, and its end. Read next: conversation.h (mail transactions).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/log/log.h"
#include "common/loop/stream.h"
#include "smtp/channel.h"
#include "smtp/extensions.h"
#include "smtp/outcome.h"
#include "smtp/route.h"
#include "smtp/settings.h"

namespace postern::smtp {

class Connection {
 public:
  // `settings`, `log` and `resolver` are borrowed.
  Connection(const Settings& settings, const log::Log& log, Resolver& resolver,
             Target target, Fd socket);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Greeting and EHLO (HELO, LHLO). nullopt: ready for mail. `queue_id` and
  // `next_hop` are of the request that wants the session. Throws Hangup.
  Task<std::optional<Failure>> greet(std::string queue_id,
                                     std::string next_hop);

  // Ends the session in good manners. With smtp_skip_quit_response the answer
  // is not awaited. Never throws.
  Task<void> quit();

  // What a Hangup would interrupt: "sending MAIL FROM".
  void doing(const char* what) { doing_ = what; }
  const char* doing() const { return doing_; }

  const Target& target() const { return target_; }
  const Features& features() const { return features_; }
  Channel& channel() { return channel_; }
  Stream& stream() { return stream_; }

  // Transactions begun so far, and whether there may be one more
  // (smtp_connection_reuse_count_limit, smtp_connection_reuse_time_limit).
  int uses() const { return uses_; }
  void count_use() { ++uses_; }
  bool may_be_used_again() const;
  // The server is about to hang up, or did not do as it should.
  void spoil() { spoilt_ = true; }
  // smtp_pix_workarounds: wait before the dot of an old message.
  bool delays_dot() const { return delays_dot_; }
  // QUIT went out together with the last command.
  void set_quit_sent() { quit_sent_ = true; }
  bool quit_sent() const { return quit_sent_; }

 private:
  Task<std::optional<Failure>> say_hello();
  // Does the greeting come from a firewall that breaks ESMTP?
  Task<void> look_for_pix(mail::ParsedReply greeting);
  // What is not to be believed of this server's announcement.
  Task<std::vector<std::string>> discarded_keywords();
  bool wants_extended(const mail::ParsedReply& greeting) const;
  // A server that calls itself by our name: mail for it would come back.
  std::optional<Failure> check_name(const mail::ParsedReply& reply) const;
  void complain_about(std::string_view garbage);

  const Settings& settings_;
  const log::Log& log_;
  Resolver& resolver_;
  Target target_;
  Stream stream_;
  Channel channel_;
  Features features_;
  const char* doing_ = "";
  std::string queue_id_;
  std::string next_hop_;
  Clock::time_point opened_ = Clock::now();
  int uses_ = 0;
  bool spoilt_ = false;
  bool quit_sent_ = false;
  bool delays_dot_ = false;
};

}  // namespace postern::smtp
