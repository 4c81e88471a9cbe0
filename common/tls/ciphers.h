// Cipher grades and exclusions (postconf(5), smtpd_tls_ciphers and its
// sisters) as an OpenSSL cipher list. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postern::tls {

// The lists that tls_high_cipherlist and its sisters hold.
struct CipherGrades {
  std::string high, medium, low, exported, null;
};

// The list of a grade ("high", "medium", …) without `exclusions`: words apart
// by blanks, commas or colons, each an OpenSSL cipher type ("aNULL", "kEDH+RC4").
// Trouble when there is no such grade, or a word could change the list
// otherwise ("!", "-", "@").
Result<std::string> cipher_list(const CipherGrades& grades,
                                std::string_view grade,
                                std::string_view exclusions);

}  // namespace postern::tls
