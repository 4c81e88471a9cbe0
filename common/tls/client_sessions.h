// Sessions of a client, as bytes that can be kept and resumed later, by
// another process if need be. Inside common/tls and its tests alone.
#pragma once

#include <ctime>
#include <string>

#include "common/tls/context.h"

namespace postern::tls {

std::string bytes_of(SSL_SESSION* session);

// Null: these bytes are none, or the server's certificate, which is not sent
// again, is no longer good at `now`.
SslSession session_of(const std::string& bytes, std::time_t now);

// Resumed, a session keeps the verdict about its chain. This text changes with
// what such a verdict rests on (authorities, depth) and with the certificate
// that the client has shown for itself.
std::string basis_of(const ClientSettings& settings, X509_STORE* trust,
                     const Identities* identities);

// From SSL_CTX_sess_set_new_cb.
int session_arrived(SSL* ssl, SSL_SESSION* session);

}  // namespace postern::tls
