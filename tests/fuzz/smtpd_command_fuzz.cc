// Command lines of SMTP clients, and the access lists that tables give.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/access/replies.h"
#include "common/access/restrictions.h"
#include "common/base/panic.h"
#include "smtpd/command_line.h"
#include "smtpd/commands.h"

using namespace postern;
using namespace postern::access;
using namespace postern::smtpd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const CommandLine line = parse_command_line(text);
  require(line.verb.find(' ') == std::string::npos, "a verb is one word");
  require(line.bare() == line.rest.empty(), "no words, no rest");
  (void)find_command(line.verb);
  (void)looks_like_header(line.verb);
  for (const char c : escaped(text))
    require(c >= 0x20 && c < 0x7f, "escaped text is printable");
  for (const char c : harmless_name(text))
    require(c != '\n' && c != '\r' && c != ')' && c != '<',
            "a harmless name ends nothing");
  (void)parse_restrictions(text, {"mine"});
  const NameValue value = [](std::string_view) { return std::string("v"); };
  const Result<std::string> footed =
      with_footer("550 5.1.1 no", text, value, "abcdefghijklmnopqrstuvwxyz ");
  require(!footed || footed->find('\r') == std::string::npos, "no line end in a footer");
  return 0;
}
