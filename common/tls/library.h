// OpenSSL: its start, its error queue, and owners for what it allocates.
#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace postern::config {
class Config;
}

namespace postern::tls {

template <class T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
template <class T, void (*Free)(T*)>
using Owned = std::unique_ptr<T, Freer<T, Free>>;

using SslCtx = Owned<SSL_CTX, SSL_CTX_free>;
using Ssl = Owned<SSL, SSL_free>;
using SslSession = Owned<SSL_SESSION, SSL_SESSION_free>;
using X509Certificate = Owned<X509, X509_free>;
using X509Trust = Owned<X509_STORE, X509_STORE_free>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;

// Once, before the process is locked: reads OpenSSL's own configuration file
// as tls_config_file and tls_config_name say. Trouble: it cannot be used.
Status start_library(const config::Config& config);
// With OpenSSL's defaults and no file: for tests and tools.
void start_library();

// Takes what is in OpenSSL's error queue, as lines for people:
// "error:0A00010B:SSL routines::wrong version number:…".
std::vector<std::string> take_errors();
// The first of them, or `otherwise`.
std::string first_error(std::string otherwise);

}  // namespace postern::tls
