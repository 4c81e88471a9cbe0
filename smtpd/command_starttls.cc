// STARTTLS (RFC 3207), and TLS from the first byte (RFC 8314).
#include <fmt/format.h>

#include "common/tls/handshake.h"
#include "smtpd/session.h"

namespace postern::smtpd {

mail::TlsTrace tls_trace(const tls::Facts& facts, bool asked) {
  using Who = mail::TlsTrace::Client;
  mail::TlsTrace out;
  out.protocol = facts.protocol;
  out.cipher = facts.cipher;
  out.used_bits = facts.used_bits;
  out.algorithm_bits = facts.algorithm_bits;
  out.key_exchange = tls::sized(facts.exchange, facts.exchange_curve,
                               facts.exchange_bits);
  const tls::SignatureFacts& server = facts.server_signature;
  const tls::SignatureFacts& client = facts.client_signature;
  out.server_signature = tls::sized(server.name, server.curve, server.bits);
  out.server_digest = server.digest;
  out.client_signature = tls::sized(client.name, client.curve, client.bits);
  out.client_digest = client.digest;
  out.client_name = facts.peer.subject;
  out.client_issuer = facts.peer.issuer;
  if (facts.peer.present)
    out.client = facts.peer.trusted ? Who::verified : Who::unverified;
  else
    out.client = asked ? Who::none : Who::not_asked;
  return out;
}

Task<bool> Session::starttls(CommandLine line) {
  if (!line.bare()) {
    co_return co_await refuse(Fault::protocol, "501 5.5.4 Syntax: STARTTLS");
  }
  if (facts_.tls) {
    co_return co_await refuse(Fault::protocol,
                              "554 5.5.1 Error: TLS already active");
  }
  if (!settings_->tls.offered || !keeps(keyword_starttls)) {
    co_return co_await refuse(Fault::protocol,
                              "502 5.5.1 Error: command not implemented");
  }
  const bool available = co_await tls_available();
  if (!available) {
    co_await reply("454 4.7.0 TLS not available due to local problem");
    co_return false;
  }
  const bool many = co_await too_many_tls_sessions();
  if (many) {
    log_.warning("Refusing STARTTLS request from {} for service {}",
                 facts_.client.shown(), facts_.service);
    co_await reply(fmt::format(
        "454 4.7.0 Error: too many new TLS sessions from {}",
        facts_.client.shown()));
    co_return false;
  }
  // What was sent before we are ready was sent in the clear, by whomever: it
  // must not count as if it had been protected.
  stream_.poll();
  stream_.consume(stream_.buffered().size());
  co_await reply("220 2.0.0 Ready to start TLS");
  co_await stream_.flush(settings_->timeout);
  co_await start_tls();
  // RFC 3207 section 4.2: nothing that was said before counts. That the client
  // speaks ESMTP is shown by the command itself.
  facts_.helo.reset();
  facts_.login.reset();
  reset_transaction();
  co_return true;
}

Task<bool> Session::tls_available() {
  const std::shared_ptr<tls::ServerContext> context = surroundings_.tls();
  if (!context) co_return false;
  Status ready = co_await context->prepare();
  co_return ready.ok();
}

// Before a handshake: has this client made too many new sessions already?
Task<bool> Session::too_many_tls_sessions() {
  const std::int64_t limit = settings_->new_tls_session_rate_limit;
  if (!limits_apply_ || limit == 0) co_return false;
  Result<ipc::AnvilAnswer> seen =
      co_await surroundings_.count("newtls_report", anvil_key());
  if (!seen || seen->rate <= limit) co_return false;
  facts_.note(Fault::policy);
  co_return true;
}

// The handshake and what follows from it. Does not return when it fails: the
// connection is of no more use (Hangup).
Task<void> Session::start_tls() {
  std::shared_ptr<tls::ServerContext> context = surroundings_.tls();
  std::string peer = facts_.client.shown();
  const Millis limit = settings_->tls.handshake_limit;
  Result<tls::Facts> made = co_await tls::accept(
      &stream_, std::move(context), std::move(peer), limit);
  if (!made) throw Hangup{Hangup::Why::closed, 0};
  facts_.tls = std::make_shared<const tls::Facts>(std::move(*made));
  co_await count_tls_session();
  co_await require_certificate();
}

Task<void> Session::count_tls_session() {
  const std::int64_t limit = settings_->new_tls_session_rate_limit;
  if (!limits_apply_ || limit == 0 || facts_.tls->resumed) co_return;
  Result<ipc::AnvilAnswer> seen =
      co_await surroundings_.count("newtls", anvil_key());
  if (!seen || seen->rate <= limit) co_return;
  facts_.note(Fault::policy);
  log_.warning("New TLS session rate limit exceeded: {} from {} for service "
               "{}", seen->rate, facts_.client.shown(), facts_.service);
  closing_ = true;
  co_await reply(fmt::format("421 4.7.0 {} Error: too many new TLS sessions "
                             "from {}", settings_->myhostname,
                             facts_.client.shown()));
}

// smtpd_tls_req_ccert. The client's next command gets the refusal.
Task<void> Session::require_certificate() {
  if (closing_ || !settings_->tls.require_certificate ||
      facts_.tls->peer.trusted)
    co_return;
  const char* why = facts_.tls->peer.present
                        ? "Client certificate not trusted"
                        : "No client certificate presented";
  log_.info("NOQUEUE: abort: TLS from {}: {}", facts_.client.shown(), why);
  facts_.note(Fault::policy);
  closing_ = true;
  if (!settings_->tls.wrapper) {
    LineRead ignored = co_await read_line(settings_->line_limit, false);
  }
  co_await reply(fmt::format("421 4.7.1 {} Error: {}", settings_->myhostname,
                             why));
}

// smtpd_tls_wrappermode; false: the client is not served.
Task<bool> Session::wrap() {
  if (!settings_->tls.wrapper || facts_.tls) co_return true;
  const bool available = co_await tls_available();
  if (!available) {
    log_.warning("TLS is not available; the connection from {} is closed",
                 facts_.client.shown());
    co_return false;
  }
  const bool many = co_await too_many_tls_sessions();
  if (many) {
    log_.warning("Refusing TLS service request from {} for service {}",
                 facts_.client.shown(), facts_.service);
    co_return false;
  }
  co_await start_tls();
  co_return !closing_;
}

}  // namespace postern::smtpd
