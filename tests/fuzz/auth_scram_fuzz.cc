// A client's SCRAM messages: the first two lines of the input. Nobody gets in
// without the key.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "authd/scram.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern::authd;
  using namespace postern::credentials;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = text.find('\n');
  const std::string_view first = text.substr(0, end);
  const std::string_view last =
      end == std::string_view::npos ? "" : text.substr(end + 1);
  const ScramKeys keys{Hash::sha256, 4096, "salt", std::string(32, 'k'),
                       std::string(32, 's')};
  for (const bool plus : {false, true}) {
    ScramServer server(Hash::sha256, plus,
                       {"endpoint", plus ? "exporter" : "",
                        plus ? "unique" : ""});
    if (!server.first(first)) continue;
    if (server.user().empty()) std::abort();
    server.challenge(keys, "nonce");
    if (server.last(last)) std::abort();
  }
  return 0;
}
