// Files whose names stand in tables, for processes that see no files: trusted
// certificates and tokens. Never a private key.
#pragma once

#include <string>
#include <string_view>

#include "common/ipc/messages/lookup.h"

namespace postern::lookup {

ipc::FileAnswer read_named_file(const ipc::FileFind& question);

// The blocks of certificates and public keys (RFC 7468) in `text`, each with
// its line end; what lies between them is left out.
std::string public_pem_blocks(std::string_view text);

}  // namespace postern::lookup
