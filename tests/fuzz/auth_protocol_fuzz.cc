// Lines of the Dovecot auth protocol, from any program that gets at the socket,
// and saslauthd's answers. What is escaped must come back.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "authd/mechanisms.h"
#include "authd/protocol.h"
#include "authd/saslauthd.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace postern::authd;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ClientLine said = parse(text);
  if (const auto* auth = std::get_if<AuthLine>(&said))
    if (auth->id == 0 || auth->session.service.empty()) std::abort();
  if (unescaped(escaped(text)) != text) std::abort();
  if (escaped(text).find_first_of("\t\r\n") != std::string::npos) std::abort();
  plain_message(text);
  saslauthd_answer(text);
  return 0;
}
