// The authorities whose certificates are trusted, read at once and kept: the
// process sees no file once it is locked.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/tls/library.h"
#include "common/tls/settings.h"

namespace postern::tls {

// From …_tls_CAfile, …_tls_CApath and, with tls_append_default_CA, the
// system's. Trouble names what cannot be read.
Result<X509Trust> load_trust(const CommonSettings& settings);

// Certificates of `files` (a list) alone; also those of intermediate
// authorities end a chain.
Result<X509Trust> load_anchors(const std::string& files);

}  // namespace postern::tls
