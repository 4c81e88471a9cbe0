// Facts of an established connection, taken out of OpenSSL.
#pragma once

#include "common/tls/facts.h"
#include "common/tls/handshake.h"
#include "common/tls/verify_words.h"

namespace postern::tls {

// After a successful handshake. The settings say how fingerprints are made.
Facts facts_of(SSL* ssl, const CommonSettings& settings);

// A client: does the server's certificate fit the wish? Sets matched and
// matched_by, and where the level leaves no other trust, trusted. `fault` is
// what there is to be said of a certificate that does not.
void match(SSL* ssl, const Wish& wish, Facts* facts, VerifyError* fault);

}  // namespace postern::tls
