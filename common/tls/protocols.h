// Lists of TLS protocol versions as main.conf writes them (postconf(5),
// smtpd_tls_protocols), in every spelling in use. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postern::tls {

// One bit for each version that a list can exclude.
enum Version : unsigned {
  ssl2 = 1u << 0,
  ssl3 = 1u << 1,
  tls1 = 1u << 2,
  tls1_1 = 1u << 3,
  tls1_2 = 1u << 4,
  tls1_3 = 1u << 5,
};

// `least` and `most` are versions as on the wire (RFC 8446 section 4.2.1:
// 0x0303 is TLS 1.2); 0 is no bound.
struct Protocols {
  unsigned excluded = 0;
  int least = 0;
  int most = 0;
  bool operator==(const Protocols&) const = default;
};

// ">=TLSv1.2", "<=TLSv1.3", "!SSLv2, !SSLv3", "TLSv1.2 TLSv1.3" (none but
// these), and numbers as "0x0303" or "303" in a bound. Trouble names the word
// that is no protocol.
Result<Protocols> parse_protocols(std::string_view list);

// "TLSv1.2"; empty for an unknown number.
std::string_view version_name(int wire_version);

}  // namespace postern::tls
