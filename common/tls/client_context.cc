#include "common/tls/certificate.h"
#include "common/tls/client_sessions.h"
#include "common/tls/connection.h"
#include "common/tls/trust.h"

namespace postern::tls {
namespace {

constexpr Seconds fresh{1};

// Nothing is refused here: what is wrong is noted, and the caller decides by
// its level.
int note_certificate(int fine, X509_STORE_CTX* store) {
  if (fine == 1) return 1;
  const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(
      store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  Connection* connection = ssl == nullptr ? nullptr : connection_of(ssl);
  if (connection != nullptr) connection->fault.note(store);
  return 1;
}

}  // namespace

Result<std::shared_ptr<ClientContext>> ClientContext::make(
    ClientSettings settings, KeyHolder* holder, const log::Log& log) {
  if (!settings.fault.empty()) return give_up("3.5", settings.fault);
  std::shared_ptr<ClientContext> made(
      new ClientContext(std::move(settings), holder, log));
  if (Status done = made->start(); !done) return done.trouble();
  return made;
}

Status ClientContext::start() {
  Result<X509Trust> trust = settings_.trust_anchor_file.empty()
                                ? load_trust(settings_.common)
                                : load_anchors(settings_.trust_anchor_file);
  if (!trust) return trust.trouble();
  trust_ = std::move(*trust);
  Result<SslCtx> made =
      new_context(TLS_client_method(), settings_.common, trust_.get());
  if (!made) return made.trouble();
  context_ = std::move(*made);
  SSL_CTX* context = context_.get();
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_certificate);
  SSL_CTX_dane_enable(context);
  SSL_CTX_set_session_cache_mode(
      context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL |
                   SSL_SESS_CACHE_NO_AUTO_CLEAR);
  SSL_CTX_sess_set_new_cb(context, session_arrived);
  session_basis_ = basis_of(settings_, trust_.get(), nullptr);
  return {};
}

void ClientContext::complain(const std::string& text) {
  if (text == complaint_) return;
  complaint_ = text;
  log_.warning(std::string_view(text));
}

Task<Status> ClientContext::prepare() {
  if (!settings_.has_certificate || Clock::now() - checked_ < fresh)
    co_return Status();
  checked_ = Clock::now();
  ipc::IdentityFind question;
  question.known = version_;
  Result<ipc::IdentityAnswer> answer =
      co_await holder_->identity(std::move(question));
  if (!answer) {
    complain("client certificate: " + answer.trouble().text);
    co_return Status();
  }
  if (answer->trouble.present)
    complain("client certificate: " + answer->trouble.text);
  if (answer->unchanged || answer->chains.empty()) co_return Status();
  Result<std::shared_ptr<Identities>> parsed = identities_of(*answer, holder_);
  if (!parsed) {
    complain("client certificate: " + parsed.trouble().text);
    co_return Status();
  }
  identities_ = std::move(*parsed);
  session_basis_ = basis_of(settings_, trust_.get(), identities_.get());
  version_ = answer->version;
  co_return Status();
}

Ssl ClientContext::connection() {
  Ssl made(SSL_new(context_.get()));
  if (made && identities_)
    if (const Status done = use_identities(made.get(), *identities_); !done)
      return nullptr;
  return made;
}

}  // namespace postern::tls
