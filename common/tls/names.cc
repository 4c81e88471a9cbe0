#include "common/tls/names.h"

#include <string>

#include "common/base/text.h"

namespace postern::tls {

bool name_matches(std::string_view certificate_name, std::string_view pattern,
                  bool several_labels) {
  if (certificate_name.empty() || pattern.empty()) return false;
  if (pattern[0] == '.' && pattern.size() > 1)
    return certificate_name.size() > pattern.size() &&
           ends_with_nocase(certificate_name, pattern);
  if (equal_nocase(certificate_name, pattern)) return true;
  if (!certificate_name.starts_with("*.") || certificate_name.size() < 3)
    return false;
  const std::size_t dot = pattern.find('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  const std::string_view below = certificate_name.substr(1);
  const std::string_view parent = pattern.substr(dot);
  return several_labels ? ends_with_nocase(parent, below)
                        : equal_nocase(parent, below);
}

bool same_fingerprint(std::string_view a, std::string_view b) {
  const auto bare = [](std::string_view text) {
    std::string out;
    for (const char c : text)
      if (c != ':') out += upper(c);
    return out;
  };
  const std::string left = bare(a);
  return !left.empty() && left == bare(b);
}

}  // namespace postern::tls
