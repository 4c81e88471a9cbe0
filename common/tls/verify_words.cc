#include "common/tls/verify_words.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postern::tls {
namespace {

std::string one_line(const X509_NAME* name) {
  char buffer[512] = "";
  X509_NAME_oneline(name, buffer, sizeof buffer);
  return printable(buffer);
}

// Whose certificate: words that stand before "certificate verification" where
// the fault could be anybody's.
const char* holder(const VerifyError& error, bool of_server) {
  if (error.depth > 0) return "CA";
  return of_server ? "server" : "client";
}

struct Words {
  bool named;  // with the holder in front
  std::string text;
};

Words words_of(const VerifyError& error, bool of_server) {
  switch (error.code) {
    case X509_V_ERR_CERT_UNTRUSTED:
      return {false, "not trusted by local or TLSA policy"};
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return {false, "self-signed certificate"};
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      return {false, "untrusted issuer " + error.issuer};
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
      return {true, "certificate not yet valid"};
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
      return {true, "certificate has expired"};
    case X509_V_ERR_INVALID_PURPOSE:
      return {false, fmt::format("not designated for use as a {} certificate",
                                 holder(error, of_server))};
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return {false, fmt::format("certificate chain longer than limit({})",
                                 error.limit)};
    default:
      return {true, fmt::format("num={}:{}", error.code,
                                X509_verify_cert_error_string(error.code))};
  }
}

}  // namespace

void VerifyError::note(X509_STORE_CTX* context) {
  const int at = X509_STORE_CTX_get_error_depth(context);
  if (present() && depth <= at) return;
  code = X509_STORE_CTX_get_error(context);
  depth = at;
  const X509* certificate = X509_STORE_CTX_get_current_cert(context);
  issuer = certificate == nullptr
               ? "<unknown>"
               : one_line(X509_get_issuer_name(certificate));
}

std::string verify_line(const VerifyError& error, const std::string& peer,
                        bool of_server) {
  const Words words = words_of(error, of_server);
  return fmt::format("{}certificate verification failed for {}: {}",
                     words.named ? std::string(holder(error, of_server)) + " "
                                 : std::string(),
                     peer, words.text);
}

}  // namespace postern::tls
