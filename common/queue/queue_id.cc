#include "common/queue/queue_id.h"

#include <fmt/format.h>

#include <algorithm>

namespace postern::queue {
namespace {

// Digits, consonants: no id spells a word. 52 of them; the inode is written
// without the last, 'z', which therefore separates it from the time.
constexpr std::string_view digits =
    "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
constexpr std::uint64_t time_base = 52;
constexpr std::uint64_t inode_base = 51;
constexpr int second_digits = 6;
constexpr int microsecond_digits = 4;

std::string encode(std::uint64_t value, std::uint64_t base, int least) {
  std::string out;
  do {
    out += digits[value % base];
    value /= base;
  } while (value != 0);
  while (static_cast<int>(out.size()) < least) out += '0';
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

std::string short_id(std::int64_t microseconds, std::uint64_t inode) {
  return fmt::format("{:05X}{:X}", microseconds % 1000000, inode);
}

std::string long_id(std::int64_t microseconds, std::uint64_t inode) {
  return encode(static_cast<std::uint64_t>(microseconds / 1000000), time_base,
                second_digits) +
         encode(static_cast<std::uint64_t>(microseconds % 1000000), time_base,
                microsecond_digits) +
         "z" + encode(inode, inode_base, 1);
}

bool valid_id(std::string_view id) {
  if (id.size() < 6 || id.size() > 30) return false;
  const bool hex = id.find_first_not_of("0123456789ABCDEF") ==
                   std::string_view::npos;
  if (hex) return true;
  return id.size() >= second_digits + microsecond_digits + 2 &&
         id[second_digits + microsecond_digits] == 'z' &&
         id.find_first_not_of(digits) == std::string_view::npos;
}

bool is_long_id(std::string_view id) {
  constexpr std::size_t separator = second_digits + microsecond_digits;
  return id.size() > separator && id[separator] == 'z';
}

std::string with_inode(std::string_view id, std::uint64_t inode) {
  if (!is_long_id(id)) return fmt::format("{}{:X}", id.substr(0, 5), inode);
  return std::string(id.substr(0, second_digits + microsecond_digits)) + "z" +
         encode(inode, inode_base, 1);
}

std::string hash_part(std::string_view id, int depth) {
  // Microseconds: the first five digits of a short id, after the seconds of a
  // long one. Their last characters change fastest.
  std::string part(is_long_id(id) ? id.substr(second_digits, microsecond_digits)
                           : id.substr(0, 5));
  std::reverse(part.begin(), part.end());
  part.resize(static_cast<std::size_t>(depth), '_');
  return part;
}

}  // namespace postern::queue
