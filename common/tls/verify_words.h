// What is wrong with a peer's chain: collected while OpenSSL verifies it, and
// said in Postfix's words. Inside common/tls alone.
#pragma once

#include <string>

#include "common/tls/library.h"

namespace postern::tls {

// The error nearest to the peer's own certificate.
struct VerifyError {
  long code = X509_V_OK;
  int depth = -1;      // 0: the peer's own
  std::string issuer;  // "/C=…/CN=…" of the certificate at fault
  int limit = 0;       // …_verifydepth

  bool present() const { return code != X509_V_OK; }
  // From a verify callback that was told of an error.
  void note(X509_STORE_CTX* context);
};

// "certificate verification failed for mx[192.0.2.1]:25: untrusted issuer
// /CN=x". `of_server`: the peer is a server.
std::string verify_line(const VerifyError& error, const std::string& peer,
                        bool of_server);

}  // namespace postern::tls
