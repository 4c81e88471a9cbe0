// Lines of smtp_tls_policy_maps, and TLSA records as lookup tells them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/panic.h"
#include "smtp/tls_policy.h"

using namespace postern;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> notices;
  const Result<smtp::PolicyLine> line =
      smtp::parse_policy_line(text, "table", notices);
  if (line) {
    smtp::ServerFacts server;
    server.host = server.next_hop = "example.org";
    const smtp::SitePolicy site = smtp::site_policy(*line, {});
    const auto policy = smtp::policy_for(site, server, {}, {}, 25, notices);
    require(!policy || !smtp::requires_tls(line->level) ||
                smtp::requires_tls(policy->level) ||
                line->level == smtp::TlsLevel::dane,
            "a mandatory level does not become less");
    require(!policy || !smtp::requires_match(policy->level) ||
                !policy->match.empty(),
            "a level that matches has something to match");
  }
  smtp::policy_keys(text);
  const auto record = smtp::parse_tlsa(text);
  if (record) {
    const auto usable = smtp::usable_tlsa({*record}, {"sha512", "sha256"});
    for (const smtp::Tlsa& one : usable)
      require(one.usage == 2 || one.usage == 3, "only DANE-TA and DANE-EE");
  }
  return 0;
}
