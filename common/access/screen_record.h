// What a client has passed and until when that counts: one line of the
// temporary allow list, "GREET;DNSBL;PIPELINING;NON_SMTP;BARE_NEWLINE" in
// seconds since 1970. 0: never passed. Pure.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::access {

enum class Trial : std::uint8_t {
  greet,         // says nothing before our greeting
  dnsbl,         // DNS lists do not speak against it
  pipelining,    // waits for replies
  non_smtp,      // sends commands of SMTP
  bare_newline,  // ends lines with CRLF
};
inline constexpr std::size_t trial_count = 5;

class Trials {
 public:
  void set(Trial trial, bool on = true) {
    bits_.set(static_cast<std::size_t>(trial), on);
  }
  bool has(Trial trial) const {
    return bits_.test(static_cast<std::size_t>(trial));
  }
  bool none() const { return bits_.none(); }
  // Those that take a conversation.
  bool deep() const {
    return has(Trial::pipelining) || has(Trial::non_smtp) ||
           has(Trial::bare_newline);
  }
  bool early() const { return has(Trial::greet) || has(Trial::dnsbl); }
  friend bool operator==(const Trials&, const Trials&) = default;

 private:
  std::bitset<trial_count> bits_;
};

struct Record {
  std::array<std::int64_t, trial_count> until{};

  // nullopt: not such a line.
  static std::optional<Record> from_line(std::string_view line);
  std::string line() const;

  // Has it never passed anything?
  bool is_new() const;
  void pass(Trial trial, std::int64_t end) {
    until[static_cast<std::size_t>(trial)] = end;
  }
  // postscreen_dnsbl_allowlist_threshold: all counts as passed until `end` at
  // least.
  void pass_all(std::int64_t end);
  // Those of `enabled` that must be passed (again).
  Trials due(const Trials& enabled, std::int64_t now) const;
  // Has everything expired more than `retention` seconds ago?
  bool is_stale(std::int64_t now, std::int64_t retention) const;
};

// For how long, in seconds, a passed test of DNS lists counts: as long as the
// answers hold (`ttl`; not known: the most), within the two limits.
std::int64_t dnsbl_lifetime(std::optional<std::int64_t> ttl,
                            std::int64_t least, std::int64_t most);

}  // namespace postern::access
