// Fingerprints as people write them. Pure.
#pragma once

#include <string_view>

namespace postern::tls {

// "AB:CD:…" or "abcd…": the same bytes?
bool same_fingerprint(std::string_view a, std::string_view b);

}  // namespace postern::tls
