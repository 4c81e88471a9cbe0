// What another process may send authd to sign, and files of keys.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "authd/key_pem.h"
#include "authd/key_signing.h"

using namespace postern::authd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)is_handshake(text, Side::server);
  (void)is_handshake(text, Side::client);
  (void)chains_of(text, "input");
  (void)chain_of_pair(text, "input", text, "input");
  return 0;
}
