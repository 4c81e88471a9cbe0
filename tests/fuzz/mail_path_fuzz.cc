// Arguments of MAIL and RCPT, and their parameters.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "common/mail/address.h"
#include "common/mail/path.h"

using namespace postern;
using namespace postern::mail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool strict : {false, true}) {
    const auto address =
        parse_path(text, {.strict = strict, .allow_empty = true});
    if (!address || address->empty()) continue;
    require(unquote_local(quote_local_821(*address)) == *address,
            "an address survives quoting");
    (void)strip_extension(*address, {"+-"});
  }
  if (const auto arguments = split_envelope_arguments(text, "FROM"))
    for (const Parameter& parameter : arguments->parameters) {
      const std::string_view value =
          parameter.value ? std::string_view(*parameter.value) : "";
      (void)parse_size(value);
      (void)parse_envid(value);
      (void)parse_notify(value);
      if (const auto orcpt = parse_orcpt(value))
        require(parse_orcpt(orcpt_value(*orcpt)) == orcpt,
                "an original recipient survives encoding");
    }
  require(xtext_decode(xtext_encode(text)) == text, "xtext goes both ways");
  return 0;
}
