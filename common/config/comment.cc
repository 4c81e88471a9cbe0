#include "common/config/comment.h"

#include <algorithm>

#include "common/base/text.h"

namespace postern::config {
namespace {

// Texts of one word, beside numbers, times, yes or no, and paths.
constexpr std::string_view words[] = {
    "lmtp_tls_ciphers",         "lmtp_tls_mandatory_ciphers",
    "lmtp_tls_security_level",  "mydomain",
    "myhostname",               "mynetworks_style",
    "myorigin",                 "smtp_tls_ciphers",
    "smtp_tls_mandatory_ciphers", "smtp_tls_security_level",
    "smtpd_sasl_path",          "smtpd_sasl_type",
    "smtpd_tls_ciphers",        "smtpd_tls_mandatory_ciphers",
    "smtpd_tls_security_level",
};

bool one_word(const Row& row) {
  switch (row.kind) {
    case Kind::boolean:
    case Kind::integer:
    case Kind::duration:
    case Kind::path: return true;
    case Kind::text:
      return std::find(std::begin(words), std::end(words), row.name) !=
             std::end(words);
    default: return false;
  }
}

}  // namespace

std::optional<std::string> without_comment(const Row& row,
                                           std::string_view value) {
  if (!one_word(row)) return std::nullopt;
  for (std::size_t i = 1; i < value.size(); ++i) {
    if (!is_space(value[i - 1])) continue;
    if (value[i] != '#' && value.substr(i, 2) != "//") continue;
    const std::string_view rest = trim(value.substr(0, i));
    if (rest.empty()) return std::nullopt;
    return std::string(rest);
  }
  return std::nullopt;
}

}  // namespace postern::config
