#include "common/tls/client_sessions.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/tls/connection.h"

namespace postern::tls {
namespace {

std::string digest_of(X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) return "";
  return std::string(reinterpret_cast<char*>(digest), size);
}

// In an order of its own: a store has none that could be relied upon.
std::vector<std::string> authorities_of(X509_STORE* trust) {
  std::vector<std::string> digests;
  STACK_OF(X509)* all = X509_STORE_get1_all_certs(trust);
  for (int i = 0; i < sk_X509_num(all); ++i)
    digests.push_back(digest_of(sk_X509_value(all, i)));
  sk_X509_pop_free(all, X509_free);
  std::sort(digests.begin(), digests.end());
  return digests;
}

std::string short_digest(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  return base64_encode({reinterpret_cast<char*>(digest), size});
}

}  // namespace

std::string bytes_of(SSL_SESSION* session) {
  const int size = i2d_SSL_SESSION(session, nullptr);
  if (size <= 0) return "";
  std::string bytes(static_cast<std::size_t>(size), '\0');
  auto* at = reinterpret_cast<unsigned char*>(bytes.data());
  i2d_SSL_SESSION(session, &at);
  return bytes;
}

SslSession session_of(const std::string& bytes, std::time_t now) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  SslSession session(
      d2i_SSL_SESSION(nullptr, &at, static_cast<long>(bytes.size())));
  ERR_clear_error();
  if (!session) return nullptr;
  X509* peer = SSL_SESSION_get0_peer(session.get());
  const bool expired =
      peer != nullptr && X509_cmp_time(X509_get0_notAfter(peer), &now) < 0;
  return expired ? nullptr : std::move(session);
}

std::string basis_of(const ClientSettings& settings, X509_STORE* trust,
                     const Identities* identities) {
  std::string text = fmt::format("{}\n{}\n", settings.common.verify_depth,
                                 settings.trust_anchor_file);
  for (const std::string& one : authorities_of(trust)) text += one;
  text += "\n";
  if (identities != nullptr)
    for (const Identity& each : *identities)
      text += digest_of(each.certificate.get());
  return short_digest(text);
}

int session_arrived(SSL* ssl, SSL_SESSION* session) {
  Connection* connection = connection_of(ssl);
  if (connection == nullptr || !connection->keep) return 0;
  std::string bytes = bytes_of(session);
  if (bytes.empty()) return 0;
  // Whether this server is worth coming back to is not known yet.
  if (connection->handshaking) connection->early_session = std::move(bytes);
  else connection->keep(std::move(bytes));
  return 0;
}

}  // namespace postern::tls
