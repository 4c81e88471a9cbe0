// How clients resume their sessions: by tickets that any of our processes
// opens, or by an id that authd keeps the session for.
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

#include "common/tls/connection.h"
#include "common/tls/fiber.h"

namespace postern::tls {
namespace {

constexpr std::size_t name_size = 16;

bool use_key(const ipc::TicketKeyWire& key, const EVP_CIPHER* cipher,
             unsigned char* iv, EVP_CIPHER_CTX* sealing, EVP_MAC_CTX* mac,
             bool seal) {
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  char digest[] = "SHA256";
  std::string mac_key = key.mac;
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key.data(),
                                        mac_key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_CipherInit_ex(sealing, cipher, nullptr, bytes(key.cipher), iv,
                           seal ? 1 : 0) == 1 &&
         EVP_MAC_CTX_set_params(mac, params) == 1;
}

// 0: no ticket, or one of an unknown key. 2: opened by an old key.
int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv,
               EVP_CIPHER_CTX* sealing, EVP_MAC_CTX* mac, int seal) {
  const Connection* connection = connection_of(ssl);
  if (connection == nullptr || !connection->server) return 0;
  const std::vector<ipc::TicketKeyWire>& keys = connection->server->tickets();
  const EVP_CIPHER* cipher = EVP_get_cipherbyname(
      connection->server->settings().ticket_cipher.c_str());
  if (keys.empty() || cipher == nullptr) return 0;
  if (seal == 1) {
    const ipc::TicketKeyWire& key = keys.front();
    std::memcpy(name, key.name.data(), name_size);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(cipher)) != 1) return -1;
    return use_key(key, cipher, iv, sealing, mac, true) ? 1 : -1;
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (std::memcmp(name, keys[i].name.data(), name_size) != 0) continue;
    if (!use_key(keys[i], cipher, iv, sealing, mac, false)) return -1;
    return i == 0 ? 1 : 2;
  }
  return 0;
}

class SessionErrand final : public Errand {
 public:
  SessionErrand(KeyHolder& holder, std::string id) : holder_(holder) {
    question_.id = std::move(id);
  }
  Task<void> run() override {
    Result<ipc::SessionAnswer> answer =
        co_await holder_.session(std::move(question_));
    if (answer) session = std::move(answer->session);
  }
  std::string session;

 private:
  KeyHolder& holder_;
  ipc::SessionFind question_;
};

SSL_SESSION* find_session(SSL* ssl, const unsigned char* id, int size,
                          int* copied) {
  *copied = 0;
  Connection* connection = connection_of(ssl);
  if (connection == nullptr || !connection->server) return nullptr;
  SessionErrand errand(
      connection->server->holder(),
      std::string(reinterpret_cast<const char*>(id),
                  static_cast<std::size_t>(size)));
  if (!Fiber::ask(errand) || errand.session.empty()) return nullptr;
  const auto* at =
      reinterpret_cast<const unsigned char*>(errand.session.data());
  return d2i_SSL_SESSION(nullptr, &at,
                         static_cast<long>(errand.session.size()));
}

int keep_session(SSL* ssl, SSL_SESSION* session) {
  Connection* connection = connection_of(ssl);
  unsigned int id_size = 0;
  const unsigned char* id = SSL_SESSION_get_id(session, &id_size);
  const int size = i2d_SSL_SESSION(session, nullptr);
  if (connection == nullptr || !connection->server || id_size == 0 || size <= 0)
    return 0;
  ipc::SessionKeep kept;
  kept.id.assign(reinterpret_cast<const char*>(id), id_size);
  kept.session.resize(static_cast<std::size_t>(size));
  auto* at = reinterpret_cast<unsigned char*>(kept.session.data());
  i2d_SSL_SESSION(session, &at);
  kept.lifetime_seconds =
      std::chrono::duration_cast<Seconds>(
          connection->server->settings().session_lifetime)
          .count();
  connection->server->holder().keep(std::move(kept));
  return 0;
}

}  // namespace

void resume_sessions(SSL_CTX* context, const ServerSettings& settings) {
  unsigned char scope[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const std::string name = "smtpd:" + settings.scope;
  EVP_Digest(name.data(), name.size(), scope, &size, EVP_sha256(), nullptr);
  SSL_CTX_set_session_id_context(
      context, scope, std::min(size, unsigned{SSL_MAX_SID_CTX_LENGTH}));
  const auto lifetime =
      std::chrono::duration_cast<Seconds>(settings.session_lifetime).count();
  SSL_CTX_set_timeout(context, static_cast<long>(lifetime));
  SSL_CTX_set_session_cache_mode(
      context, settings.session_ids
                   ? SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL |
                         SSL_SESS_CACHE_NO_AUTO_CLEAR
                   : SSL_SESS_CACHE_OFF);
  if (settings.keep_sessions) {
    SSL_CTX_sess_set_get_cb(context, find_session);
    SSL_CTX_sess_set_new_cb(context, keep_session);
  }
  const bool tickets = lifetime > 0 && !settings.ticket_cipher.empty();
  if (tickets) {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
    SSL_CTX_set_num_tickets(context, 1);
  } else {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    if (!settings.keep_sessions) SSL_CTX_set_num_tickets(context, 0);
  }
}

}  // namespace postern::tls
