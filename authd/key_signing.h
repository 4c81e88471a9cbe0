// What authd signs, and how. Pure but for OpenSSL.
#pragma once

#include <string>
#include <string_view>

#include <openssl/evp.h>

#include "common/base/result.h"
#include "common/ipc/messages/keys.h"

namespace postern::authd {

// Which side of a handshake the asker is.
enum class Side { server, client };

// Whether `data` is what that side signs in a handshake: CertificateVerify of
// TLS 1.3 (RFC 8446 section 4.4.3), ServerKeyExchange (RFC 5246 section 7.4.3,
// RFC 8422 section 5.4), or the messages before a client's CertificateVerify
// (RFC 5246 section 7.4.8). Whoever has taken over a process gets signatures of
// nothing else: no certificate, no mail, no other protocol.
bool is_handshake(std::string_view data, Side side);

// The signature, by the scheme that the request names. May take a
// millisecond; safe to call from any thread.
Result<std::string> sign(EVP_PKEY* key, const ipc::SignRequest& request);

}  // namespace postern::authd
