// Certificates of strangers: read, described, and what is told of them is
// harmless in a log line and a header.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/base/panic.h"
#include "common/tls/certificate.h"

using namespace postern;
using namespace postern::tls;

namespace {

void harmless(const std::string& text) {
  require(text.size() <= 255, "a name is not long");
  for (const char c : text)
    require(c != '\n' && c != '\r' && c != '\0' && c != '"',
            "a name ends nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const X509Certificate certificate = parse_certificate(
      std::string(reinterpret_cast<const char*>(data), size));
  if (!certificate) return 0;
  const PeerCertificate facts = describe(certificate.get(), "sha256");
  harmless(facts.subject);
  harmless(facts.issuer);
  for (const std::string& name : facts.names) harmless(name);
  require(facts.fingerprint.size() == 95, "a fingerprint has 32 bytes");
  (void)end_point_binding(certificate.get());
  return 0;
}
