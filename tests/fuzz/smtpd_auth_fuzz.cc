// What an authentication server says, and what a client says behind AUTH: no
// line of ours ever becomes two, whatever either of them sends.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "common/base/text.h"
#include "common/config/endpoints.h"
#include "smtpd/auth_protocol.h"
#include "smtpd/command_line.h"
#include "smtpd/sasl_settings.h"

using namespace postern;
using namespace postern::smtpd;

namespace {

void try_server(std::string_view text) {
  for (const std::string& each : split(text, '\n')) {
    const AuthServerLine line = parse_auth_line(each);
    using Kind = AuthServerLine::Kind;
    const bool answer = line.kind == Kind::more || line.kind == Kind::success ||
                        line.kind == Kind::failure;
    require(!answer || line.id > 0, "an answer is somebody's");
    require(line.kind != Kind::more || is_base64(line.text),
            "a challenge fits into a reply");
    require(line.kind != Kind::mechanism || !line.mechanism.name.empty(),
            "a mechanism has a name");
    for (const char c : line.mechanism.name)
      require(is_alnum(c) || c == '-' || c == '_', "a name is one word");
  }
}

void try_client(std::string_view text) {
  const CommandLine line = parse_command_line(text);
  AuthStart start;
  start.mechanism = "PLAIN";
  start.service = text;
  start.remote_address = text;
  start.certificate_name = std::string(text);
  if (!line.words.empty() && is_base64(line.words.back()))
    start.initial = line.words.back();
  const std::string request = auth_request(1, start);
  require(std::count(request.begin(), request.end(), '\n') == 1,
          "a request is one line");
  const auto fields = split(request.substr(0, request.size() - 1), '\t');
  require(fields.size() <= 10, "no field becomes two");
  require(!start.initial || fields.back() == "resp=" + *start.initial,
          "the response comes last");
}

void try_endpoint(std::string_view text) {
  for (const config::Bare bare :
       {config::Bare::path, config::Bare::host, config::Bare::nothing}) {
    const auto one = config::parse_endpoint(text, "/queue", bare);
    if (!one) continue;
    const auto again =
        config::parse_endpoint(one->text(), "/elsewhere", config::Bare::nothing);
    require(again && *again == *one, "one spelling for each endpoint");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_server(text);
  try_client(text);
  try_endpoint(text);
  (void)parse_security_options(text, nullptr);
  return 0;
}
