// Queue ids: short ("3F5A21C0B7": microseconds and inode, both hexadecimal) and
// long ("4Yw9x51kPnz2sJ": seconds, microseconds and inode; never used twice
// while the file system lives), as enable_long_queue_ids chooses. Both kinds
// may lie in the queue at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postern::queue {

// `microseconds` since 1970 and the inode make the id unique among all files
// of the file system.
std::string short_id(std::int64_t microseconds, std::uint64_t inode);
std::string long_id(std::int64_t microseconds, std::uint64_t inode);

// The id with another inode in it: for a file that became another one (a copy
// from a backup). `id` is valid.
std::string with_inode(std::string_view id, std::uint64_t inode);
bool is_long_id(std::string_view id);

// Could this be a queue id of either kind? Everything that becomes part of a
// path passes here first.
bool valid_id(std::string_view id);

// Characters for the subdirectories of hashed queues, `depth` of them; always
// from the part of the id that changes fastest.
std::string hash_part(std::string_view id, int depth);

}  // namespace postern::queue
