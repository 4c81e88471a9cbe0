// TLS settings as main.conf spells them, and fingerprints that are held against
// certificates.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "common/tls/ciphers.h"
#include "common/tls/names.h"
#include "common/tls/protocols.h"
#include "common/tls/settings.h"

using namespace postern;
using namespace postern::tls;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const Result<Protocols> got = parse_protocols(text); got) {
    require(got->least == 0 || got->least >= 2, "a bound is a version");
    require((got->excluded & ~63u) == 0, "only versions are excluded");
  }
  const CipherGrades grades{"H", "M", "L", "E", "N"};
  if (const Result<std::string> got = cipher_list(grades, "high", text); got)
    require(got->starts_with("H") && got->find('@') != 1, "a grade comes first");
  (void)parse_options(text);
  (void)parse_workarounds(text);
  require(!same_fingerprint(text, ""), "nothing is no fingerprint");
  return 0;
}
