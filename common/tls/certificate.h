// Reading certificates: what they say of their holder, and their fingerprints.
#pragma once

#include <string>
#include <vector>

#include "common/tls/facts.h"
#include "common/tls/library.h"

namespace postern::tls {

// What the certificate says; `present` is set, `trusted` is the caller's.
// `digest`: of the fingerprints, as OpenSSL names it ("sha256").
PeerCertificate describe(const X509* certificate, const std::string& digest);

// "AB:CD:…" of the whole certificate.
std::string fingerprint(const X509* certificate, const std::string& digest);

// Of the bits of the public key alone, as Postfix 2.9.0 to 2.9.5 had it
// (tls_legacy_public_key_fingerprints).
std::string legacy_key_fingerprint(const X509* certificate,
                                   const std::string& digest);

// Why the chain is not trusted, in the words of Postfix's log; "" for X509_V_OK.
std::string verify_fault(long code, const X509* certificate);

// From DER; null when it is none.
X509Certificate parse_certificate(const std::string& der);

// What tls-server-end-point binds to (RFC 5929 section 4.1); empty where the
// certificate's signature has no digest.
std::string end_point_binding(const X509* certificate);

}  // namespace postern::tls
