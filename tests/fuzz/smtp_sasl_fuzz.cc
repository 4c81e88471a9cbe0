// Challenges of servers, one a line, to each mechanism.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "common/base/text.h"
#include "smtp/sasl_exchange.h"

using namespace postern;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const char* name : {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1",
                           "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"}) {
    smtp::SaslContext context;
    context.credentials.user = "u";
    context.credentials.password = "password";
    context.random = [](std::size_t count) { return std::string(count, 'r'); };
    const auto steps = smtp::make_exchange(name, std::move(context));
    steps->first();
    const bool scram = std::string_view(name).starts_with("SCRAM");
    for (const std::string& challenge : split(text, '\n')) {
      const Result<std::string> response = steps->next(challenge);
      if (!response) break;
    }
    require(!scram || !steps->server_proven(),
            "nobody proves a password by guessing");
  }
  return 0;
}
