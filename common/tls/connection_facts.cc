#include "common/tls/connection_facts.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>

#include <algorithm>

#include "common/tls/certificate.h"
#include "common/tls/names.h"

namespace postern::tls {
namespace {

std::string curve_of(EVP_PKEY* key) {
  char name[64] = "";
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name, sizeof name, &size) != 1) return "";
  return name;
}

void read_exchange(SSL* ssl, Facts& facts) {
  EVP_PKEY* raw = nullptr;
  if (SSL_get_peer_tmp_key(ssl, &raw) != 1) return;
  const Key key(raw);
  if (EVP_PKEY_is_a(raw, "EC") == 1) {
    facts.exchange = "ECDHE";
    facts.exchange_curve = curve_of(raw);
  } else if (EVP_PKEY_is_a(raw, "DH") == 1) {
    facts.exchange = "DHE";
    facts.exchange_bits = EVP_PKEY_get_bits(raw);
  } else {
    const char* type = EVP_PKEY_get0_type_name(raw);
    facts.exchange = type == nullptr ? "unknown" : type;
  }
}

SignatureFacts signature_of(EVP_PKEY* key, int digest) {
  SignatureFacts out;
  if (key == nullptr) return out;
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    // TLS 1.3 has RSA signatures by PSS alone.
    out.name = "RSA-PSS";
    out.bits = EVP_PKEY_get_bits(key);
  } else if (EVP_PKEY_is_a(key, "EC") == 1) {
    out.name = "ECDSA";
    out.curve = curve_of(key);
  } else {
    const char* type = EVP_PKEY_get0_type_name(key);
    out.name = type == nullptr ? "unknown" : type;
  }
  if (digest != NID_undef) out.digest = OBJ_nid2sn(digest);
  return out;
}

void read_signatures(SSL* ssl, const X509* peer, Facts& facts) {
  int own = NID_undef, other = NID_undef;
  SSL_get_signature_nid(ssl, &own);
  SSL_get_peer_signature_nid(ssl, &other);
  const bool server = SSL_is_server(ssl) == 1;
  SignatureFacts& mine =
      server ? facts.server_signature : facts.client_signature;
  SignatureFacts& theirs =
      server ? facts.client_signature : facts.server_signature;
  X509* certificate = SSL_get_certificate(ssl);
  // A client may have a certificate and not have been asked for it.
  if (certificate != nullptr && (server || own != NID_undef))
    mine = signature_of(X509_get0_pubkey(certificate), own);
  if (peer != nullptr) theirs = signature_of(X509_get0_pubkey(peer), other);
}

// The first Finished message of the handshake (RFC 5929 section 3.1), which is
// the server's where a session was resumed. Without the extended master secret
// two connections can be made to have the same (RFC 7627 section 1).
std::string first_finished(const SSL* ssl, bool resumed) {
  const bool ours = (SSL_is_server(ssl) == 1) == resumed;
  unsigned char bytes[EVP_MAX_MD_SIZE];
  const std::size_t size =
      ours ? SSL_get_finished(ssl, bytes, sizeof bytes)
           : SSL_get_peer_finished(ssl, bytes, sizeof bytes);
  return std::string(reinterpret_cast<char*>(bytes),
                     std::min(size, sizeof bytes));
}

void read_bindings(SSL* ssl, const X509* peer, Facts& facts) {
  const bool server = SSL_is_server(ssl) == 1;
  const X509* certificate = server ? SSL_get_certificate(ssl) : peer;
  // Which certificate a resumed session began with, a server does not know.
  if (certificate != nullptr && !(server && facts.resumed))
    facts.server_end_point = end_point_binding(certificate);
  if (SSL_version(ssl) < TLS1_3_VERSION) {
    if (SSL_get_extms_support(ssl) == 1)
      facts.unique = first_finished(ssl, facts.resumed);
    return;
  }
  constexpr char label[] = "EXPORTER-Channel-Binding";
  unsigned char bytes[32];
  if (SSL_export_keying_material(ssl, bytes, sizeof bytes, label,
                                 sizeof label - 1, nullptr, 0, 0) == 1)
    facts.exporter.assign(reinterpret_cast<char*>(bytes), sizeof bytes);
}

bool by_fingerprint(const Wish& wish, const PeerCertificate& peer,
                    std::string* which) {
  for (const std::string& wanted : wish.fingerprints) {
    if (!same_fingerprint(wanted, peer.fingerprint) &&
        !same_fingerprint(wanted, peer.key_fingerprint))
      continue;
    *which = "fingerprint " + wanted;
    return true;
  }
  return false;
}

// The verification has held the chain against TLSA records, trust anchors and
// names; what a resumed session was held to is part of its key.
bool by_verification(SSL* ssl, const Wish& wish, std::string* which) {
  const bool records = !wish.tlsa.empty();
  if (!records && wish.names.empty()) return false;
  if (SSL_get_verify_result(ssl) != X509_V_OK) return false;
  std::uint8_t usage = 0, selector = 0, matching = 0;
  const bool resumed = SSL_session_reused(ssl) == 1;
  if (records && !resumed) {
    X509* anchor = nullptr;
    EVP_PKEY* anchor_key = nullptr;
    if (SSL_get0_dane_authority(ssl, &anchor, &anchor_key) < 0) return false;
    SSL_get0_dane_tlsa(ssl, &usage, &selector, &matching, nullptr, nullptr);
  }
  const char* name = SSL_get0_peername(ssl);
  if (resumed)
    *which = "the session resumed";
  else if (!wish.tlsa.empty())
    *which = fmt::format("TLSA {} {} {}", usage, selector, matching);
  else
    *which = name == nullptr ? "address" : name;
  return true;
}

}  // namespace

Facts facts_of(SSL* ssl, const CommonSettings& settings) {
  Facts facts;
  facts.protocol = SSL_get_version(ssl);
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  facts.cipher = SSL_CIPHER_get_name(cipher);
  facts.used_bits = SSL_CIPHER_get_bits(cipher, &facts.algorithm_bits);
  facts.resumed = SSL_session_reused(ssl) == 1;
  const X509Certificate peer(SSL_get1_peer_certificate(ssl));
  if (peer) {
    facts.peer = describe(peer.get(), settings.digest);
    if (settings.legacy_key_digest)
      facts.peer.key_fingerprint =
          legacy_key_fingerprint(peer.get(), settings.digest);
    const long code = SSL_get_verify_result(ssl);
    facts.peer.trusted = code == X509_V_OK;
    facts.peer.fault = verify_fault(code, peer.get());
  }
  if (SSL_version(ssl) >= TLS1_3_VERSION) {
    read_exchange(ssl, facts);
    if (!facts.resumed) read_signatures(ssl, peer.get(), facts);
  }
  read_bindings(ssl, peer.get(), facts);
  ERR_clear_error();
  return facts;
}

void match(SSL* ssl, const Wish& wish, Facts* facts, VerifyError* fault) {
  PeerCertificate& peer = facts->peer;
  if (!peer.present) return;
  if (wish.fingerprints.empty()) {
    facts->matched = by_verification(ssl, wish, &facts->matched_by);
    return;
  }
  facts->matched = by_fingerprint(wish, peer, &facts->matched_by);
  if (facts->matched) return;
  // No authority can make up for it. Postfix has made TLSA records of the
  // fingerprints, and says so.
  peer.trusted = false;
  fault->code = X509_V_ERR_DANE_NO_MATCH;
  fault->depth = 0;
}

}  // namespace postern::tls
