// What the simple protocols of tables say, as pure functions: tcp_table(5),
// socketmap_table(5), and the memcached text protocol.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/tables/table.h"

namespace postern::databases {

// "%", white space and what is not printable as %XX.
std::string tcp_encode(std::string_view text);
// nullopt: a broken %XX.
std::optional<std::string> tcp_decode(std::string_view text);
// A line "200 text", "400 text", "500 text". Trouble's text is the reason.
tables::Found read_tcp_reply(std::string_view line);

// "17:name key and so on,"
std::string netstring(std::string_view text);
// What a netstring holds: "OK data", "NOTFOUND ", "TEMP reason", …
tables::Found read_socketmap_reply(std::string_view reply);

// What a get is answered with: "END", or "VALUE key flags bytes" before the
// value. nullopt: neither, so the conversation is broken.
struct MemcacheHead {
  bool found = false;
  std::size_t bytes = 0;
};
std::optional<MemcacheHead> read_memcache_head(std::string_view line,
                                               std::string_view key);
// Whether the protocol can carry the key.
bool valid_memcache_key(std::string_view key);

}  // namespace postern::databases
