#include "lookup/client_name.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/dns/system_files.h"
#include "common/mail/address.h"

namespace postern::lookup {
namespace {

NameCode code_of(dns::Outcome outcome) {
  switch (outcome) {
    case dns::Outcome::ok:
      return NameCode::ok;
    case dns::Outcome::servfail:
    case dns::Outcome::timeout:
    case dns::Outcome::malformed:
      return NameCode::temporary;
    default:
      return NameCode::permanent;
  }
}

}  // namespace

std::string_view system_words(dns::Outcome outcome) {
  switch (outcome) {
    case dns::Outcome::ok:
      return "Success";
    case dns::Outcome::nxdomain:
    case dns::Outcome::bad_name:
      return "Name or service not known";
    case dns::Outcome::nodata:
      return "No address associated with hostname";
    default:
      return "Temporary failure in name resolution";
  }
}

ipc::ClientNameAnswer judge_reverse(const std::string& name,
                                    dns::Outcome outcome) {
  ipc::ClientNameAnswer answer;
  answer.name = answer.reverse_name = "unknown";
  NameCode code = code_of(outcome);
  if (code == NameCode::ok && mail::valid_hostaddr(name)) {
    answer.warning = "numeric hostname: " + name;
    code = NameCode::permanent;
  } else if (code == NameCode::ok && !mail::valid_hostname(name)) {
    code = NameCode::permanent;
  }
  answer.name_code = answer.reverse_code = static_cast<std::int64_t>(code);
  if (code == NameCode::ok) answer.name = answer.reverse_name = name;
  return answer;
}

ipc::ClientNameAnswer judge_forward(ipc::ClientNameAnswer answer,
                                    const std::string& address,
                                    const std::vector<std::string>& addresses,
                                    dns::Outcome outcome) {
  NameCode code = code_of(outcome);
  const std::optional<std::string> own = dns::canonical_address(address);
  if (code == NameCode::ok) {
    for (const std::string& other : addresses)
      if (dns::canonical_address(other) == own) return answer;
    code = NameCode::forged;
  }
  answer.warning = fmt::format("hostname {} does not resolve to address {}",
                               answer.reverse_name, address);
  if (code != NameCode::forged)
    answer.warning += fmt::format(": {}", system_words(outcome));
  answer.name = "unknown";
  answer.name_code = static_cast<std::int64_t>(code);
  return answer;
}

}  // namespace postern::lookup
