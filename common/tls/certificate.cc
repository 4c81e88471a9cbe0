#include "common/tls/certificate.h"

#include <openssl/asn1.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "common/base/text.h"

namespace postern::tls {
namespace {

// Names in log lines and headers: no more than a host name may have.
constexpr std::size_t longest_name = 255;

std::string colons(const unsigned char* bytes, std::size_t size) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < size; ++i) {
    if (i > 0) out += ':';
    out += hex[bytes[i] >> 4];
    out += hex[bytes[i] & 15];
  }
  return out;
}

// As UTF-8, harmless; empty where it holds a NUL (a name that means one thing
// to us and another to the authority).
std::string text_of(const ASN1_STRING* value) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) return "";
  std::string out(reinterpret_cast<char*>(utf8),
                  static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  if (out.find('\0') != std::string::npos || out.size() > longest_name)
    return "";
  out = printable_utf8(out);
  std::replace(out.begin(), out.end(), '"', '\'');
  return out;
}

std::string last_entry(const X509_NAME* name, int kind) {
  int at = -1;
  for (int next = at; (next = X509_NAME_get_index_by_NID(name, kind, next)) >= 0;)
    at = next;
  if (at < 0) return "";
  return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

std::string issuer_of(const X509* certificate) {
  const X509_NAME* name = X509_get_issuer_name(certificate);
  const std::string common = last_entry(name, NID_commonName);
  return common.empty() ? last_entry(name, NID_organizationName) : common;
}

std::vector<std::string> dns_names(const X509* certificate) {
  std::vector<std::string> names;
  auto* all = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  bool any = false;
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(all, i);
    if (one->type != GEN_DNS) continue;
    any = true;
    std::string name = text_of(one->d.dNSName);
    if (!name.empty()) names.push_back(std::move(name));
  }
  GENERAL_NAMES_free(all);
  if (any) return names;
  std::string common =
      last_entry(X509_get_subject_name(certificate), NID_commonName);
  if (!common.empty()) names.push_back(std::move(common));
  return names;
}

const EVP_MD* digest_of(const std::string& name) {
  return EVP_get_digestbyname(name.c_str());
}

std::string key_fingerprint(const X509* certificate,
                            const std::string& digest) {
  // Of the SubjectPublicKeyInfo, as DANE selector 1 has it.
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return "";
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  const EVP_MD* md = digest_of(digest);
  const bool done =
      md != nullptr && EVP_Digest(der, static_cast<std::size_t>(size), bytes,
                                  &length, md, nullptr) == 1;
  OPENSSL_free(der);
  return done ? colons(bytes, length) : "";
}

}  // namespace

std::string fingerprint(const X509* certificate, const std::string& digest) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  const EVP_MD* md = digest_of(digest);
  if (md == nullptr || X509_digest(certificate, md, bytes, &length) != 1)
    return "";
  return colons(bytes, length);
}

std::string legacy_key_fingerprint(const X509* certificate,
                                   const std::string& digest) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  const EVP_MD* md = digest_of(digest);
  if (md == nullptr ||
      X509_pubkey_digest(certificate, md, bytes, &length) != 1)
    return "";
  return colons(bytes, length);
}

PeerCertificate describe(const X509* certificate, const std::string& digest) {
  PeerCertificate out;
  out.present = true;
  out.subject = last_entry(X509_get_subject_name(certificate), NID_commonName);
  out.issuer = issuer_of(certificate);
  out.fingerprint = fingerprint(certificate, digest);
  out.key_fingerprint = key_fingerprint(certificate, digest);
  out.names = dns_names(certificate);
  return out;
}

std::string verify_fault(long code, const X509* certificate) {
  switch (code) {
    case X509_V_OK:
      return "";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return "self-signed certificate";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "untrusted issuer " +
             (certificate == nullptr ? std::string() : issuer_of(certificate));
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
      return "certificate not yet valid";
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
      return "certificate has expired";
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return "certificate chain longer than the verify depth limit";
    default:
      return X509_verify_cert_error_string(code);
  }
}

X509Certificate parse_certificate(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  X509Certificate out(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  const auto* end =
      reinterpret_cast<const unsigned char*>(der.data()) + der.size();
  return at == end ? std::move(out) : nullptr;
}

std::string end_point_binding(const X509* certificate) {
  int digest = NID_undef;
  if (X509_get_signature_info(const_cast<X509*>(certificate), &digest, nullptr,
                              nullptr, nullptr) != 1)
    return "";
  // MD5 and SHA-1 are taken as SHA-256.
  if (digest == NID_md5 || digest == NID_sha1 || digest == NID_md5_sha1)
    digest = NID_sha256;
  const EVP_MD* md = EVP_get_digestbynid(digest);
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (md == nullptr || X509_digest(certificate, md, bytes, &length) != 1)
    return "";
  return std::string(reinterpret_cast<char*>(bytes), length);
}

}  // namespace postern::tls
