#include <openssl/err.h>
#include <openssl/pem.h>

#include "common/base/text.h"
#include "common/tls/connection.h"
#include "common/tls/fiber.h"
#include "common/tls/trust.h"

namespace postern::tls {
namespace {

// How often certificates are asked for again, while there are handshakes.
constexpr Seconds fresh{1};
// Names that a client asks for: how many answers are remembered.
constexpr std::size_t most_named = 1000;

Result<Key> load_parameters(const std::string& file) {
  Owned<BIO, BIO_free_all> input(BIO_new_file(file.c_str(), "r"));
  Key key(input ? PEM_read_bio_Parameters(input.get(), nullptr) : nullptr);
  if (key && EVP_PKEY_is_a(key.get(), "DH") == 1) return key;
  return give_up("3.5", "cannot load Diffie-Hellman parameters from " + file +
                            ": " + first_error("unknown reason"));
}

int accept_any_certificate(int, X509_STORE_CTX*) { return 1; }

// A name that may be asked of tables.
bool plausible(const std::string& name) {
  if (name.empty() || name.size() > 255) return false;
  for (const char c : name)
    if (!is_alnum(c) && c != '.' && c != '-' && c != '_') return false;
  return true;
}

int server_name_arrived(SSL* ssl, int* alert, void*) {
  Connection* connection = connection_of(ssl);
  const char* given = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (given == nullptr || connection == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const std::string name = to_lower(given);
  if (!plausible(name)) return SSL_TLSEXT_ERR_NOACK;
  const std::shared_ptr<Identities> named = connection->server->named(name);
  if (!named) {
    connection->log().info(
        "TLS SNI {} from {} not matched, using default chain", name,
        connection->peer);
    return SSL_TLSEXT_ERR_NOACK;
  }
  const Status done = use_identities(ssl, *named);
  if (!done) {
    connection->log().warning("TLS SNI {} from {}: {}", name, connection->peer,
                              done.trouble().text);
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  connection->server_name = name;
  return SSL_TLSEXT_ERR_OK;
}

class NameErrand final : public Errand {
 public:
  NameErrand(KeyHolder& holder, ipc::IdentityFind question)
      : holder_(holder), question_(std::move(question)) {}
  Task<void> run() override {
    answer = co_await holder_.identity(std::move(question_));
  }
  Result<ipc::IdentityAnswer> answer = try_later("3.0", "nobody was asked");

 private:
  KeyHolder& holder_;
  ipc::IdentityFind question_;
};

}  // namespace

Result<std::shared_ptr<ServerContext>> ServerContext::make(
    ServerSettings settings, KeyHolder* holder, const log::Log& log) {
  if (!settings.fault.empty()) return give_up("3.5", settings.fault);
  std::shared_ptr<ServerContext> made(
      new ServerContext(std::move(settings), holder, log));
  if (Status done = made->start(); !done) return done.trouble();
  return made;
}

Status ServerContext::start() {
  Result<X509Trust> trust = load_trust(settings_.common);
  if (!trust) return trust.trouble();
  trust_ = std::move(*trust);
  if (settings_.ask_certificate && !settings_.common.ca_file.empty())
    authorities_ = {SSL_load_client_CA_file(settings_.common.ca_file.c_str()),
                    [](STACK_OF(X509_NAME)* names) {
                      sk_X509_NAME_pop_free(names, X509_NAME_free);
                    }};
  const std::string& dh = settings_.dh_file;
  if (!dh.empty() && dh != "auto" && dh != "none") {
    Result<Key> key = load_parameters(dh);
    if (key) dh_ = std::move(*key);
    else
      log_.warning("{}; OpenSSL's own are used", key.trouble().text);
  }
  // Whatever else is wrong is found now, not at the first client.
  Result<SslCtx> tried = build({});
  if (!tried) return tried.trouble();
  if (settings_.no_certificate) context_ = std::move(*tried);
  return {};
}

Result<SslCtx> ServerContext::build(const Identities& identities) const {
  Result<SslCtx> made =
      new_context(TLS_server_method(), settings_.common, trust_.get());
  if (!made) return made.trouble();
  SSL_CTX* context = made->get();
  std::uint64_t options = excluded_versions(settings_.protocols);
  if (settings_.preempt_ciphers) options |= SSL_OP_CIPHER_SERVER_PREFERENCE;
  // TLS 1.3 has no handshake without a certificate.
  if (settings_.no_certificate) options |= SSL_OP_NO_TLSv1_3;
  SSL_CTX_set_options(context, options);
  SSL_CTX_set_min_proto_version(context, settings_.protocols.least);
  SSL_CTX_set_max_proto_version(context, settings_.protocols.most);
  if (SSL_CTX_set_cipher_list(context, settings_.ciphers.c_str()) != 1)
    return give_up("3.5", "the cipher list \"" + settings_.ciphers +
                              "\" leaves nothing: " +
                              first_error("unknown reason"));
  if (dh_) {
    EVP_PKEY_up_ref(dh_.get());
    SSL_CTX_set0_tmp_dh_pkey(context, dh_.get());
  } else if (settings_.dh_file != "none") {
    SSL_CTX_set_dh_auto(context, 1);
  }
  if (settings_.ask_certificate) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE,
                       accept_any_certificate);
    if (authorities_)
      SSL_CTX_set0_CA_list(context, SSL_dup_CA_list(authorities_.get()));
  }
  if (settings_.by_name)
    SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                          reinterpret_cast<void (*)()>(server_name_arrived));
  resume_sessions(context, settings_);
  if (Status done = use_identities(context, identities); !done)
    return done.trouble();
  return made;
}

void ServerContext::complain(const std::string& text) {
  if (text == complaint_) return;
  complaint_ = text;
  log_.warning(std::string_view(text));
}

Task<Status> ServerContext::prepare() {
  if (context_ && Clock::now() - checked_ < fresh) co_return Status();
  if (!settings_.no_certificate) {
    Status renewed = co_await renew_certificates();
    if (!renewed) complain(renewed.trouble().text);
    if (!context_) co_return renewed;
    if (renewed) complaint_.clear();
  }
  checked_ = Clock::now();
  if (settings_.session_lifetime > Millis(0) && checked_ >= tickets_until_) {
    co_await renew_tickets();
  }
  co_return Status();
}

Task<Status> ServerContext::renew_certificates() {
  ipc::IdentityFind question;
  question.known = version_;
  Result<ipc::IdentityAnswer> answer =
      co_await holder_->identity(std::move(question));
  if (!answer) co_return answer.trouble();
  if (answer->trouble.present && answer->chains.empty())
    co_return answer->trouble.trouble();
  // Another handshake may have asked at the same time.
  const bool same = answer->unchanged || answer->version == version_;
  if (same && answer->trouble.present) co_return answer->trouble.trouble();
  if (same) co_return Status();
  Result<std::shared_ptr<Identities>> parsed = identities_of(*answer, holder_);
  if (!parsed) co_return parsed.trouble();
  const std::shared_ptr<Identities> identities = std::move(*parsed);
  Result<SslCtx> made = build(*identities);
  if (!made) co_return made.trouble();
  if (context_) log_.info("certificate files have changed: new ones are used");
  context_ = std::move(*made);
  version_ = answer->version;
  if (answer->trouble.present) co_return answer->trouble.trouble();
  co_return Status();
}

Task<void> ServerContext::renew_tickets() {
  ipc::TicketKeysFind question;
  question.lifetime_seconds =
      std::chrono::duration_cast<Seconds>(settings_.session_lifetime).count();
  Result<ipc::TicketKeysAnswer> answer =
      co_await holder_->ticket_keys(std::move(question));
  if (!answer) {
    // Without them sessions are not resumed; nothing else is lost.
    log_.warning("no keys for TLS session tickets: {}", answer.trouble().text);
    tickets_.clear();
    co_return;
  }
  tickets_ = std::move(answer->keys);
  tickets_until_ = Clock::now() + Seconds(answer->lasting_seconds);
}

Ssl ServerContext::connection() { return Ssl(SSL_new(context_.get())); }

std::shared_ptr<Identities> ServerContext::named(
    const std::string& server_name) {
  if (named_.size() > most_named) named_.clear();
  Named& entry = named_[server_name];
  if (entry.checked != Clock::time_point{} &&
      Clock::now() - entry.checked < fresh)
    return entry.identities;
  ipc::IdentityFind question;
  question.server_name = server_name;
  question.known = entry.version;
  NameErrand errand(*holder_, std::move(question));
  if (!Fiber::ask(errand)) return nullptr;
  // Others may have used the table meanwhile.
  Named& now = named_[server_name];
  const Result<ipc::IdentityAnswer>& answer = errand.answer;
  if (!answer || answer->trouble.present) {
    complain("TLS SNI " + server_name + ": " +
             (answer ? answer->trouble.text : answer.trouble().text));
    return now.identities;
  }
  now.checked = Clock::now();
  if (answer->unchanged) return now.identities;
  now.version = answer->version;
  now.identities = nullptr;
  if (!answer->found) return nullptr;
  Result<std::shared_ptr<Identities>> parsed =
      identities_of(*answer, holder_);
  if (!parsed) complain(parsed.trouble().text);
  else now.identities = std::move(*parsed);
  return now.identities;
}

}  // namespace postern::tls
