#include "common/tls/names.h"

#include <string>

#include "common/base/text.h"

namespace postern::tls {

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
