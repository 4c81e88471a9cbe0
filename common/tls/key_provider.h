// OpenSSL provider "postern": keys of which this process has the public half,
// and which sign by asking their holder. What OpenSSL wants done with the
// private half is nothing but signing: there is no export and no decryption.
// Next: fiber.h (how a signature is waited for).
#pragma once

#include <string>

#include "common/tls/keys.h"
#include "common/tls/library.h"

namespace postern::tls {

// Once; start_library() does it.
void install_key_provider();

// A key that signs by asking `holder` for `name`; `certificate` has its public
// half. `holder` must outlive it. Null: OpenSSL refuses (see its errors).
Key distant_key(const X509* certificate, std::string name, KeyHolder* holder);

}  // namespace postern::tls
