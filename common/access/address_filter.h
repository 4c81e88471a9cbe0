// Which answers of a DNS list count: "d.d.d.d" behind the list's name, where
// each number may be a set, "127.0.[0;2].[2..11;13]" (postconf(5),
// reject_rbl_client; postscreen_dnsbl_sites has the same).
#pragma once

#include <array>
#include <bitset>
#include <optional>
#include <string_view>

#include "common/base/result.h"

namespace postern::access {

class AddressFilter {
 public:
  // Trouble: what is wrong with the text.
  static Result<AddressFilter> parse(std::string_view text);
  // `address` is IPv4, numeric; anything else does not match.
  bool matches(std::string_view address) const;

 private:
  std::array<std::bitset<256>, 4> bytes_;
};

}  // namespace postern::access
