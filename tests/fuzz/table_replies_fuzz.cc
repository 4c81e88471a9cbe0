// What servers of tcp:, socketmap: and memcache: tables answer.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/databases/replies.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern::databases;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)read_tcp_reply(text);
  (void)read_socketmap_reply(text);
  (void)read_memcache_head(text, "k");
  // What we send survives the way.
  if (tcp_decode(tcp_encode(text)) != text) std::abort();
  if (valid_memcache_key(text) &&
      text.find_first_of(" \r\n") != std::string_view::npos)
    std::abort();
  return 0;
}
