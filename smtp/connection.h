// A session with one server: from the TCP connection to the point where mail
// can be sent, and its end. Read next: tls_client.h and login.h, which take
// part in the beginning, then conversation.h (mail transactions).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/log/log.h"
#include "common/loop/stream.h"
#include "common/tls/facts.h"
#include "smtp/channel.h"
#include "smtp/extensions.h"
#include "smtp/outcome.h"
#include "smtp/passwords.h"
#include "smtp/route.h"
#include "smtp/settings.h"
#include "smtp/surroundings.h"

namespace postern::smtp {

// What a session is to be. Two deliveries may share one only where these are
// the same: identity().
struct Terms {
  std::string site;  // the next hop, as it stands in the request
  TlsPolicy tls;
  // The password is gone once it was used; `who` remains.
  std::optional<Credentials> credentials;
  std::string who;  // identity_of(credentials)

  std::string identity() const {
    return site + '\n' + who + '\n' + tls.identity();
  }
};

class Connection {
 public:
  // `around` is borrowed.
  Connection(const Surroundings& around, Target target, Terms terms,
             Fd socket);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Greeting, EHLO (HELO, LHLO), TLS and login as the terms have it. nullopt:
  // ready for mail. `queue_id` is of the request that wants the session.
  // Throws Hangup.
  Task<std::optional<Failure>> greet(std::string queue_id);

  // Ends the session in good manners. With smtp_skip_quit_response the answer
  // is not awaited. Never throws.
  Task<void> quit();

  // What a Hangup would interrupt: "sending MAIL FROM".
  void doing(const char* what) { doing_ = what; }
  const char* doing() const { return doing_; }

  const Target& target() const { return target_; }
  const Terms& terms() const { return terms_; }
  // Null: no TLS.
  const tls::Facts* tls() const { return tls_ ? &*tls_ : nullptr; }
  // The last failure of greet() was that of a handshake.
  bool handshake_failed() const { return handshake_failed_; }
  const Features& features() const { return features_; }
  Channel& channel() { return channel_; }
  Stream& stream() { return stream_; }

  // Transactions begun so far, and whether there may be one more
  // (smtp_connection_reuse_count_limit, smtp_connection_reuse_time_limit).
  int uses() const { return uses_; }
  void count_use() { ++uses_; }
  bool may_be_used_again() const;
  // Sessions with TLS are kept where smtp_tls_connection_reuse says so.
  bool may_be_kept() const;
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
  // STARTTLS where it is offered and wanted.
  Task<std::optional<Failure>> secure();
  Task<std::optional<Failure>> handshake();
  std::optional<Failure> judge_certificate() const;
  Task<std::optional<Failure>> log_in();
  // A server that answers before it is asked (smtp_tls_block_early_mail_reply).
  std::optional<Failure> check_silence();
  Failure no_tls(std::string status, std::string text) const;
  // What is not to be believed of this server's announcement.
  Task<std::vector<std::string>> discarded_keywords();
  bool wants_extended(const mail::ParsedReply& greeting) const;
  // A server that calls itself by our name: mail for it would come back.
  std::optional<Failure> check_name(const mail::ParsedReply& reply) const;
  void complain_about(std::string_view garbage);

  const Surroundings& around_;
  const Settings& settings_;
  const log::Log& log_;
  Resolver& resolver_;
  Target target_;
  Terms terms_;
  Stream stream_;
  Channel channel_;
  Features features_;
  const char* doing_ = "";
  std::optional<tls::Facts> tls_;
  bool handshake_failed_ = false;
  std::string queue_id_;
  Clock::time_point opened_ = Clock::now();
  int uses_ = 0;
  bool spoilt_ = false;
  bool quit_sent_ = false;
  bool delays_dot_ = false;
};

}  // namespace postern::smtp
