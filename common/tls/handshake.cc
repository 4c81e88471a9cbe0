#include "common/tls/handshake.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <cerrno>

#include "common/os/files.h"
#include "common/tls/connection.h"
#include "common/tls/connection_facts.h"
#include "common/tls/fiber.h"
#include "common/tls/transport.h"

namespace postern::tls {
namespace {

// One call of SSL_do_handshake and what came of it.
struct Step {
  int result = 0;
  int why = SSL_ERROR_NONE;
  int error = 0;  // errno
  std::vector<std::string> errors;

  void take(SSL* ssl) {
    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(ssl);
    error = errno;
    why = SSL_get_error(ssl, result);
    errors = take_errors();
  }
  bool done() const { return result == 1; }
  bool waits() const {
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
  }
  short event() const {
    return why == SSL_ERROR_WANT_READ ? Watch::read : Watch::write;
  }
};

// Edge-triggered, as the stream's own watch is: the handshake has met EAGAIN.
Task<bool> ready(int fd, short what, Millis limit) {
  Promised<bool> happened;
  const Watch watch(fd, what, true,
                    [&happened](short) { happened.set(true); });
  const bool in_time = co_await happened.wait(limit);
  co_return in_time;
}

Task<void> take_step(SSL* ssl, Step* step) {
  Fiber fiber([ssl, step] { step->take(ssl); });
  Errand* errand = fiber.go_on();
  while (errand != nullptr) {
    co_await errand->run();
    errand = fiber.go_on();
  }
}

Task<Step> shake(SSL* ssl, int fd, Millis limit) {
  const Clock::time_point end = Clock::now() + limit;
  Step step;
  for (;;) {
    co_await take_step(ssl, &step);
    if (step.done() || !step.waits()) co_return step;
    const auto left =
        std::chrono::duration_cast<Millis>(end - Clock::now());
    bool in_time = left > Millis(0);
    if (in_time) {
      in_time = co_await ready(fd, step.event(), left);
    }
    if (in_time) continue;
    step.error = ETIMEDOUT;
    co_return step;
  }
}

void log_failure(const Connection& connection, const Step& step) {
  const log::Log& log = connection.log();
  const std::string what =
      fmt::format("SSL_{} {}", connection.server ? "accept error from"
                                                 : "connect error to",
                  connection.peer);
  if (!step.errors.empty()) {
    log.info("{}: {}", what, step.result);
    for (const std::string& line : step.errors)
      log.warning("TLS library problem: {}", line);
  } else if (step.error != 0) {
    log.info("{}: {}", what, os::error_text(step.error));
  } else {
    log.info("{}: lost connection", what);
  }
}

void log_success(const Connection& connection, const Facts& facts,
                 bool log_untrusted) {
  const log::Log& log = connection.log();
  const PeerCertificate& peer = facts.peer;
  const bool verbose = connection.log_level() >= 2;
  if (peer.present && !peer.trusted && (verbose || log_untrusted))
    log.info("certificate verification failed for {}: {}", connection.peer,
             peer.fault);
  if (peer.present && verbose)
    log.info("{}: subject_CN={}, issuer_CN={}, fingerprint={}, "
             "pkey_fingerprint={}",
             connection.peer, peer.subject, peer.issuer, peer.fingerprint,
             peer.key_fingerprint);
  if (connection.log_level() >= 1)
    log.info(std::string_view(connection_line(
        facts, connection.server ? "from" : "to", connection.peer)));
}

// Owns the connection's objects in the right order: OpenSSL's calls back.
struct Attempt {
  std::shared_ptr<Connection> connection = std::make_shared<Connection>();
  Ssl ssl;

  Status begin(int fd, const std::string& fault_if_none) {
    if (!ssl) return try_later("3.0", first_error(fault_if_none));
    attach(ssl.get(), connection.get());
    if (SSL_set_fd(ssl.get(), fd) != 1)
      return try_later("3.0", first_error("no TLS on this connection"));
    trace(ssl.get(), connection->log_level());
    if (connection->log_level() >= 2)
      connection->log().info("setting up TLS connection {} {}",
                             connection->server ? "from" : "to",
                             connection->peer);
    return {};
  }
  void finish(Stream* stream) {
    connection->handshaking = false;
    stream->set_transport(
        std::make_unique<TlsTransport>(std::move(ssl), connection));
  }
};

// SSL_set_tlsext_host_name, which is a macro with a cast.
bool set_server_name(SSL* ssl, const std::string& name) {
  return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
                  TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(name.c_str())) == 1;
}

Status set_wish(SSL* ssl, const Wish& wish) {
  const Protocols& protocols = wish.protocols;
  SSL_set_options(ssl, excluded_versions(protocols));
  SSL_set_min_proto_version(ssl, protocols.least);
  SSL_set_max_proto_version(ssl, protocols.most);
  if (!wish.ciphers.empty() &&
      SSL_set_cipher_list(ssl, wish.ciphers.c_str()) != 1)
    return give_up("3.5", "the cipher list \"" + wish.ciphers +
                              "\" leaves nothing: " +
                              first_error("unknown reason"));
  if (!wish.tlsa.empty()) {
    const std::string base =
        wish.tlsa_names.empty() ? wish.server_name : wish.tlsa_names.front();
    if (SSL_dane_enable(ssl, base.c_str()) != 1)
      return give_up("3.5", first_error("DANE cannot be used"));
    for (std::size_t i = 1; i < wish.tlsa_names.size(); ++i)
      SSL_add1_host(ssl, wish.tlsa_names[i].c_str());
    for (const Tlsa& each : wish.tlsa)
      SSL_dane_tlsa_add(
          ssl, static_cast<std::uint8_t>(each.usage),
          static_cast<std::uint8_t>(each.selector),
          static_cast<std::uint8_t>(each.matching),
          reinterpret_cast<const unsigned char*>(each.data.data()),
          each.data.size());
    ERR_clear_error();
  }
  if (!wish.server_name.empty() &&
      !set_server_name(ssl, wish.server_name))
    return give_up("3.5", "the server name \"" + wish.server_name +
                              "\" cannot be sent");
  if (!wish.session.empty()) {
    const auto* at = reinterpret_cast<const unsigned char*>(
        wish.session.data());
    const SslSession session(d2i_SSL_SESSION(
        nullptr, &at, static_cast<long>(wish.session.size())));
    if (session) SSL_set_session(ssl, session.get());
    ERR_clear_error();
  }
  return {};
}

}  // namespace

Task<Result<Facts>> accept(Stream* stream,
                           std::shared_ptr<ServerContext> context,
                           std::string peer, Millis limit) {
  Attempt attempt;
  attempt.connection->server = context;
  attempt.connection->peer = std::move(peer);
  attempt.ssl = context->connection();
  Status begun = attempt.begin(stream->fd(), "no TLS connection");
  if (!begun) {
    context->log().warning("TLS library problem: {}", begun.trouble().text);
    co_return begun.trouble();
  }
  SSL_set_accept_state(attempt.ssl.get());
  Step step = co_await shake(attempt.ssl.get(), stream->fd(), limit);
  if (!step.done()) {
    log_failure(*attempt.connection, step);
    co_return try_later("7.0", "handshake failure");
  }
  Facts facts = facts_of(attempt.ssl.get(), context->settings().common.digest);
  facts.server_name = attempt.connection->server_name;
  log_success(*attempt.connection, facts, false);
  attempt.finish(stream);
  co_return facts;
}

Task<Result<Facts>> connect(Stream* stream,
                            std::shared_ptr<ClientContext> context, Wish wish,
                            Millis limit) {
  Attempt attempt;
  attempt.connection->client = context;
  attempt.connection->peer = wish.peer;
  attempt.connection->keep = std::move(wish.keep);
  attempt.ssl = context->connection();
  Status begun = attempt.begin(stream->fd(), "no TLS connection");
  if (begun) begun = set_wish(attempt.ssl.get(), wish);
  if (!begun) {
    context->log().warning("TLS library problem: {}", begun.trouble().text);
    co_return begun.trouble();
  }
  SSL_set_connect_state(attempt.ssl.get());
  Step step = co_await shake(attempt.ssl.get(), stream->fd(), limit);
  if (!step.done()) {
    log_failure(*attempt.connection, step);
    co_return try_later("7.0", "handshake failure");
  }
  Facts facts = facts_of(attempt.ssl.get(), context->settings().common.digest);
  match(attempt.ssl.get(), wish, &facts);
  log_success(*attempt.connection, facts, wish.log_untrusted);
  attempt.finish(stream);
  co_return facts;
}

}  // namespace postern::tls
