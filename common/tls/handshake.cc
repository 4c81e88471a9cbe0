#include "common/tls/handshake.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "common/os/files.h"
#include "common/tls/certificate.h"
#include "common/tls/client_sessions.h"
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

void log_success(const Connection& connection, Facts facts,
                 const Wish& wish) {
  const log::Log& log = connection.log();
  const PeerCertificate& peer = facts.peer;
  const bool verbose = connection.log_level() >= 2;
  // A fingerprint needs no authority beside it.
  const bool doubtful = peer.present && !peer.trusted && !facts.matched;
  if (verbose && facts.resumed)
    log.info("{}: Reusing old session", connection.peer);
  if (doubtful && (verbose || wish.log_untrusted)) {
    if (facts.resumed)
      log.info("{}: re-using session with untrusted certificate, look for "
               "details earlier in the log", connection.peer);
    else if (connection.fault.present())
      log.info(std::string_view(
          verify_line(connection.fault, connection.peer, true)));
    else
      log.info("certificate verification failed for {}: {}", connection.peer,
               peer.fault);
  }
  if (peer.present && verbose)
    log.info("{}: subject_CN={}, issuer_CN={}, fingerprint={}, "
             "pkey_fingerprint={}",
             connection.peer, peer.subject, peer.issuer, peer.fingerprint,
             peer.key_fingerprint);
  if (facts.matched && wish.forgeable) {
    facts.matched = false;
    facts.peer.trusted = true;
  }
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

// What a list of trust anchors holds, as TLSA records of usage DANE-TA.
std::vector<Tlsa> anchors_of(const std::string& pem) {
  std::vector<Tlsa> out;
  const Owned<BIO, BIO_vfree> source(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (PEM_read_bio(source.get(), &name, &header, &data, &size) == 1) {
    Tlsa one;
    one.usage = 2;
    one.selector = std::string_view(name) == "PUBLIC KEY" ? 1 : 0;
    one.data.assign(reinterpret_cast<char*>(data),
                    static_cast<std::size_t>(size));
    out.push_back(std::move(one));
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
  }
  ERR_clear_error();
  return out;
}

bool only_certificates(const std::vector<Tlsa>& anchors) {
  return std::all_of(anchors.begin(), anchors.end(),
                     [](const Tlsa& one) { return one.selector == 0; });
}

// Certificates are a store of their own, instead of the context's: a server's
// own certificate may be among them.
Status trust_certificates(SSL* ssl, const std::vector<Tlsa>& anchors) {
  const X509Trust store(X509_STORE_new());
  for (const Tlsa& one : anchors) {
    const X509Certificate certificate = parse_certificate(one.data);
    if (!certificate || X509_STORE_add_cert(store.get(), certificate.get()) != 1)
      return give_up("3.5", first_error("a trust anchor cannot be used"));
  }
  SSL_set1_verify_cert_store(ssl, store.get());
  X509_VERIFY_PARAM_set_flags(SSL_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

Status set_records(SSL* ssl, const Wish& wish) {
  std::vector<Tlsa> records = anchors_of(wish.trust_anchors);
  if (!wish.trust_anchors.empty() && records.empty())
    return give_up("3.5", "no usable trust anchor");
  if (!records.empty() && wish.tlsa.empty() && only_certificates(records))
    return trust_certificates(ssl, records);
  // Bare keys among them: OpenSSL knows such anchors as TLSA records only.
  records.insert(records.end(), wish.tlsa.begin(), wish.tlsa.end());
  if (records.empty()) return {};
  if (SSL_dane_enable(ssl, nullptr) != 1)
    return give_up("3.5", first_error("DANE cannot be used"));
  int taken = 0;
  for (const Tlsa& each : records)
    if (SSL_dane_tlsa_add(
            ssl, static_cast<std::uint8_t>(each.usage),
            static_cast<std::uint8_t>(each.selector),
            static_cast<std::uint8_t>(each.matching),
            reinterpret_cast<const unsigned char*>(each.data.data()),
            each.data.size()) == 1)
      ++taken;
  ERR_clear_error();
  // Without any the certificate would be held against nothing.
  if (taken == 0) return give_up("3.5", "no TLSA record that can be used");
  SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  return {};
}

void set_names(SSL* ssl, const Wish& wish, const log::Log& log) {
  if (wish.names.empty()) return;
  SSL_set_hostflags(ssl,
                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                        (wish.wildcard_for_several_labels
                             ? X509_CHECK_FLAG_MULTI_LABEL_WILDCARDS
                             : 0));
  for (const std::string& name : wish.names)
    if (SSL_add1_host(ssl, name.c_str()) != 1)
      log.warning("{}: error loading match name: \"{}\"", wish.peer, name);
  ERR_clear_error();
}

Status set_references(SSL* ssl, const Wish& wish, const log::Log& log) {
  if (Status done = set_records(ssl, wish); !done) return done;
  set_names(ssl, wish, log);
  return {};
}

Status set_wish(SSL* ssl, const Wish& wish, const log::Log& log) {
  const Protocols& protocols = wish.protocols;
  SSL_set_options(ssl, excluded_versions(protocols));
  SSL_set_min_proto_version(ssl, protocols.least);
  SSL_set_max_proto_version(ssl, protocols.most);
  if (!wish.ciphers.empty() &&
      SSL_set_cipher_list(ssl, wish.ciphers.c_str()) != 1)
    return give_up("3.5", "the cipher list \"" + wish.ciphers +
                              "\" leaves nothing: " +
                              first_error("unknown reason"));
  if (Status done = set_references(ssl, wish, log); !done) return done;
  if (!wish.server_name.empty() &&
      !set_server_name(ssl, wish.server_name))
    return give_up("3.5", "the server name \"" + wish.server_name +
                              "\" cannot be sent");
  if (!wish.session.empty())
    if (const SslSession old = session_of(wish.session, std::time(nullptr)))
      SSL_set_session(ssl, old.get());
  return {};
}

// What is said of the sessions of a connection that has been made.
void settle_sessions(const Wish& wish, const Facts& facts,
                     Connection* connection) {
  if (!connection->keep) return;
  const bool must_match =
      !wish.names.empty() || !wish.fingerprints.empty() || !wish.tlsa.empty();
  if (must_match && !facts.matched) {
    if (facts.resumed) connection->keep("");
    connection->keep = nullptr;
  } else if (!connection->early_session.empty()) {
    connection->keep(std::move(connection->early_session));
  }
  connection->early_session.clear();
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
  Facts facts = facts_of(attempt.ssl.get(), context->settings().common);
  facts.server_name = attempt.connection->server_name;
  log_success(*attempt.connection, facts, {});
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
  if (begun) begun = set_wish(attempt.ssl.get(), wish, context->log());
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
  Facts facts = facts_of(attempt.ssl.get(), context->settings().common);
  match(attempt.ssl.get(), wish, &facts, &attempt.connection->fault);
  log_success(*attempt.connection, facts, wish);
  settle_sessions(wish, facts, attempt.connection.get());
  attempt.finish(stream);
  co_return facts;
}

}  // namespace postern::tls
