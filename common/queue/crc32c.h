// CRC-32C (Castagnoli, RFC 3720 appendix B.4): tells a queue file that is
// complete from one that a power cut left half-written.
#pragma once

#include <cstdint>
#include <string_view>

namespace postern::queue {

// Continues from `crc` (0 to begin).
std::uint32_t crc32c(std::uint32_t crc, std::string_view data);

}  // namespace postern::queue
