// Headers of the PROXY protocol.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "common/mail/address.h"
#include "smtpd/proxy_header.h"

using namespace postern;
using namespace postern::smtpd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ProxyHeader header = parse_proxy_header(text);
  using State = ProxyHeader::State;
  if (header.state == State::done) {
    require(header.size <= size, "a header ends where its bytes do");
    require(header.size <= longest_proxy_header, "no header is longer");
    require(header.local || mail::valid_hostaddr(header.client_address),
            "a client has an address");
    require(header.local || mail::valid_hostaddr(header.server_address),
            "so has the server");
    const ProxyHeader again = parse_proxy_header(text.substr(0, header.size));
    require(again.state == State::done, "what is behind it does not matter");
  }
  require((header.state == State::bad) == !header.problem.empty(),
          "what is bad has a reason");
  if (header.state == State::more)
    require(size < longest_proxy_header, "one does not wait for ever");
  return 0;
}
